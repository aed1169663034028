// Convolutional decoders, layer by layer. A map is { channels, side, values }: square,
// a channel after another, each row by row.
import { floats, weights } from "./network.js";

const map = (channels, side) => ({
  channels,
  side,
  values: new Float32Array(channels * side * side),
});

// A 3×3 convolution the way of Winograd (Lavin & Gray 2016, F(4×4, 3×3)): tiles of 4×4
// pixels need 36 products a pair of channels instead of 144. Six numbers of a line of the
// input, and six sums of products, are mixed so; the kernels are mixed once, beforehand.
function mixIn(v, at, step) {
  const a = v[at];
  const b = v[at + step];
  const c = v[at + 2 * step];
  const d = v[at + 3 * step];
  const e = v[at + 4 * step];
  v[at] = 4 * a - 5 * c + e;
  v[at + step] = d + e - 4 * (b + c);
  v[at + 2 * step] = e - d + 4 * (b - c);
  v[at + 3 * step] = e - c + 2 * (d - b);
  v[at + 4 * step] = e - c - 2 * (d - b);
  v[at + 5 * step] += 4 * b - 5 * d;
}
function mixOut(v, at, step) {
  const sum = v[at + step] + v[at + 2 * step];
  const gap = v[at + step] - v[at + 2 * step];
  const sum2 = v[at + 3 * step] + v[at + 4 * step];
  const gap2 = v[at + 3 * step] - v[at + 4 * step];
  v[at] += sum + sum2;
  v[at + step] = gap + 2 * gap2;
  v[at + 2 * step] = sum + 4 * sum2;
  v[at + 3 * step] = gap + 8 * gap2 + v[at + 5 * step];
}
const KERNEL = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/** The mixed kernels, (36, out, in), with out rounded up to a multiple of four. */
function mixedKernels(w, out, ins) {
  const rows = 4 * Math.ceil(out / 4);
  const mixed = new Float32Array(36 * rows * ins);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < ins; i++)
      for (let k = 0; k < 36; k++) {
        const [up, left] = [KERNEL[Math.floor(k / 6)], KERNEL[k % 6]];
        let sum = 0;
        for (let t = 0; t < 9; t++)
          sum += up[Math.floor(t / 3)] * left[t % 3] * w[(o * ins + i) * 9 + t];
        mixed[(k * rows + o) * ins + i] = sum;
      }
  return mixed;
}

/** y[t, o] = Σ x[t, i] · u[o, i], for a multiple of two t and of four o. */
function product(x, u, y, tiles, rows, ins) {
  for (let t = 0; t < tiles; t += 2)
    for (let o = 0; o < rows; o += 4) {
      let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
      const first = t * ins;
      const kernel = o * ins;
      for (let i = 0; i < ins; i++) {
        const v = x[first + i];
        const w = x[first + ins + i];
        const k = u[kernel + i];
        const l = u[kernel + ins + i];
        const m = u[kernel + 2 * ins + i];
        const n = u[kernel + 3 * ins + i];
        a += v * k;
        b += v * l;
        c += v * m;
        d += v * n;
        e += w * k;
        f += w * l;
        g += w * m;
        h += w * n;
      }
      const at = t * rows + o;
      y[at] = a;
      y[at + 1] = b;
      y[at + 2] = c;
      y[at + 3] = d;
      y[at + rows] = e;
      y[at + rows + 1] = f;
      y[at + rows + 2] = g;
      y[at + rows + 3] = h;
    }
}

const tile = new Float64Array(36); // what is being mixed

function convolution(layer) {
  const [out, ins, size] = layer.shape;
  const { w, bias } = weights(layer);
  if (size === 1) return (x) => linear(w, bias, x);
  const mixed = mixedKernels(w, out, ins);
  const rows = mixed.length / 36 / ins;
  let room = null; // what the last call worked in; most calls have the same side
  return (x) => {
    const { side } = x;
    const across = side / 4;
    const tiles = across * across;
    const slots = 2 * Math.ceil(tiles / 2) + 1; // odd, so that caches are not fought over
    if (room?.side !== side)
      room = {
        side,
        edged: new Float32Array((side + 2) * (side + 2)),
        inputs: new Float32Array(36 * slots * ins),
        sums: new Float32Array(36 * slots * rows),
      };
    const { edged, inputs, sums } = room;
    for (let i = 0; i < ins; i++) {
      edge(x, i, edged);
      for (let t = 0; t < tiles; t++) {
        const corner = 4 * Math.floor(t / across) * (side + 2) + 4 * (t % across);
        for (let r = 0, k = 0; r < 6; r++)
          for (let c = 0; c < 6; c++, k++) tile[k] = edged[corner + r * (side + 2) + c];
        for (let n = 0; n < 6; n++) mixIn(tile, n, 6);
        for (let n = 0; n < 36; n += 6) mixIn(tile, n, 1);
        for (let k = 0, at = t * ins + i; k < 36; k++, at += slots * ins) inputs[at] = tile[k];
      }
    }
    for (let k = 0; k < 36; k++)
      product(
        inputs.subarray(k * slots * ins, (k + 1) * slots * ins),
        mixed.subarray(k * rows * ins, (k + 1) * rows * ins),
        sums.subarray(k * slots * rows, (k + 1) * slots * rows),
        slots - 1,
        rows,
        ins,
      );
    const y = map(out, side);
    for (let t = 0; t < tiles; t++)
      for (let o = 0; o < out; o++) {
        for (let k = 0, at = t * rows + o; k < 36; k++, at += slots * rows) tile[k] = sums[at];
        for (let n = 0; n < 6; n++) mixOut(tile, n, 6);
        for (let n = 0; n < 24; n += 6) mixOut(tile, n, 1);
        const corner = (o * side + 4 * Math.floor(t / across)) * side + 4 * (t % across);
        for (let r = 0; r < 4; r++)
          for (let c = 0; c < 4; c++) y.values[corner + r * side + c] = bias[o] + tile[6 * r + c];
      }
    return y;
  };
}

/** A channel with a pixel of zeros around it. */
function edge({ side, values }, channel, into) {
  const from = channel * side * side;
  for (let r = 0; r < side; r++)
    into.set(values.subarray(from + r * side, from + (r + 1) * side), (r + 1) * (side + 2) + 1);
}

/** The same linear map at every place. */
function linear(w, bias, x) {
  const places = x.side * x.side;
  const y = map(bias.length, x.side);
  for (let o = 0; o < bias.length; o++) {
    const to = y.values.subarray(o * places, (o + 1) * places).fill(bias[o]);
    for (let i = 0; i < x.channels; i++) {
      const from = x.values.subarray(i * places, (i + 1) * places);
      const weight = w[o * x.channels + i];
      for (let p = 0; p < places; p++) to[p] += weight * from[p];
    }
  }
  return y;
}

/** Group norm, and SiLU after it if asked. */
function norm({ groups, eps, scale, shift, silu }) {
  const scales = floats(scale);
  const shifts = floats(shift);
  return (x) => {
    const places = x.side * x.side;
    const y = map(x.channels, x.side);
    const many = x.values.length / groups;
    for (let from = 0; from < x.values.length; from += many) {
      const given = x.values.subarray(from, from + many);
      let sum = 0;
      for (let p = 0; p < many; p++) sum += given[p];
      const mean = sum / many;
      let squares = 0;
      for (let p = 0; p < many; p++) squares += (given[p] - mean) * (given[p] - mean);
      const inverse = 1 / Math.sqrt(squares / many + eps);
      for (let p = 0; p < many; ) {
        const channel = (from + p) / places;
        const slope = inverse * scales[channel];
        const start = shifts[channel] - slope * mean;
        for (const end = p + places; p < end; p++) {
          const n = start + slope * given[p];
          y.values[from + p] = silu ? n / (1 + Math.exp(-n)) : n;
        }
      }
    }
    return y;
  };
}

/** The sum, in place of y. */
function plus(x, y) {
  for (let p = 0; p < y.values.length; p++) y.values[p] += x.values[p];
  return y;
}

/** What each place gathers from all others, with one head. */
function attention({ before, query, key, value, after }) {
  const ready = sequence([before]);
  const [q, k, v, out] = [query, key, value, after].map(weights);
  return (x) => {
    const places = x.side * x.side;
    const given = ready(x);
    const [asks, offers, hands] = [q, k, v].map(({ w, bias }) => linear(w, bias, given));
    const y = map(x.channels, x.side);
    const scores = new Float64Array(places);
    for (let p = 0; p < places; p++) {
      scores.fill(0);
      for (let c = 0; c < x.channels; c++) {
        const ask = asks.values[c * places + p] / Math.sqrt(x.channels);
        for (let o = 0; o < places; o++) scores[o] += ask * offers.values[c * places + o];
      }
      const most = Math.max(...scores);
      let sum = 0;
      for (let o = 0; o < places; o++) sum += scores[o] = Math.exp(scores[o] - most);
      for (let c = 0; c < x.channels; c++) {
        let gathered = 0;
        for (let o = 0; o < places; o++) gathered += scores[o] * hands.values[c * places + o];
        y.values[c * places + p] = gathered / sum;
      }
    }
    return plus(x, linear(out.w, out.bias, y));
  };
}

function residual({ inside, beside }) {
  const [way, around] = [sequence(inside), sequence(beside)];
  return (x) => plus(around(x), way(x));
}

/** Each pixel 2×2 times. */
function doubled(x) {
  const y = map(x.channels, 2 * x.side);
  for (let c = 0, p = 0; c < x.channels; c++)
    for (let r = 0; r < y.side; r++)
      for (let l = 0; l < y.side; l++, p++)
        y.values[p] = x.values[(c * x.side + (r >> 1)) * x.side + (l >> 1)];
  return y;
}

const KINDS = { convolution, norm, attention, residual, doubled: () => doubled };

function sequence(steps) {
  const layers = steps.map((step) => KINDS[step.kind](step));
  return (x) => layers.reduce((y, layer) => layer(y), x);
}

/** A decoder from its description: values of a code to those of a picture. */
export function convolutional({ steps, channels, side }) {
  const run = sequence(steps);
  return (values) => run({ channels, side, values }).values;
}
