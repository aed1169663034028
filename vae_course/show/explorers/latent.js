// The plane of two-number codes: move over it, and the decoder draws. Two models share
// the frame, so that one can see where each of them draws no digit.
import { canvas, choice, frame, lead, plain } from "./kit.js";
import { bytes, greyPicture, network } from "./network.js";

const SIDE = 300; // the plane, in units
const PICTURE = 168;

/** Two pixels a byte, as grey values up to 255. */
function halves(packed) {
  const values = new Uint8Array(2 * packed.length);
  packed.forEach((byte, i) => {
    values[2 * i] = 17 * (byte >> 4);
    values[2 * i + 1] = 17 * (byte & 15);
  });
  return values;
}

/** data: { models: [{ name, net, reach, codes, draws }], labels, thumbs, side }. */
export function start(root, data) {
  const { stage, controls, say } = frame(root, data.title);
  const models = data.models.map((model) => ({ ...model, run: network(model.net) }));
  const thumbs = halves(bytes(data.thumbs)); // side² values a digit
  const pixels = data.side * data.side;
  let model = models[0];
  let z = [0, 0];
  let near = -1; // the digit whose code is under the hand

  const toUnit = (v, axis) =>
    axis ? SIDE / 2 - (v / model.reach) * (SIDE / 2) : SIDE / 2 + (v / model.reach) * (SIDE / 2);
  const plane = canvas(stage, SIDE, SIDE, (c, colour) => {
    c.strokeStyle = colour.soft;
    c.globalAlpha = 0.5;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(0, SIDE / 2);
    c.lineTo(SIDE, SIDE / 2);
    c.moveTo(SIDE / 2, 0);
    c.lineTo(SIDE / 2, SIDE);
    c.stroke();
    if (model.draws) {
      // The prior: half, nine tenths and 99 in 100 of its draws lie inside these.
      c.setLineDash([4, 4]);
      for (const share of [0.5, 0.9, 0.99]) {
        const radius = (Math.sqrt(-2 * Math.log(1 - share)) / model.reach) * (SIDE / 2);
        c.beginPath();
        c.arc(SIDE / 2, SIDE / 2, radius, 0, 7);
        c.stroke();
      }
      c.setLineDash([]);
    }
    c.globalAlpha = 0.85;
    c.textAlign = "center";
    c.textBaseline = "middle";
    const hues = [colour.ink, colour.blue, colour.orange, colour.green, colour.purple];
    c.font = "bold 10px system-ui, sans-serif";
    model.codes.forEach(([x, y], i) => {
      c.fillStyle = hues[data.labels[i] % hues.length];
      c.fillText(String(data.labels[i]), toUnit(x, 0), toUnit(y, 1));
    });
    c.globalAlpha = 1;
    c.strokeStyle = colour.orange;
    c.lineWidth = 2.5;
    c.beginPath();
    c.arc(toUnit(z[0], 0), toUnit(z[1], 1), 8, 0, 7);
    c.stroke();
  });
  const picture = canvas(stage, PICTURE, PICTURE + 24, (c, colour) => {
    c.imageSmoothingEnabled = false;
    const shown = near < 0 ? null : thumbs.subarray(near * pixels, (near + 1) * pixels);
    const drawn = model.run(z);
    c.drawImage(greyPicture(drawn, data.side, data.side), 0, 0, PICTURE, PICTURE);
    if (shown) {
      const small = greyPicture(Array.from(shown, (v) => v / 255), data.side, data.side);
      c.drawImage(small, PICTURE - 56, PICTURE - 56, 56, 56);
      c.strokeStyle = colour.orange;
      c.lineWidth = 2;
      c.strokeRect(PICTURE - 56, PICTURE - 56, 56, 56);
    }
    c.fillStyle = colour.ink;
    c.fillText(`z = (${plain(z[0])}, ${plain(z[1])})`, 0, PICTURE + 18);
  });
  picture.element.setAttribute("role", "img");

  function go(x, y) {
    const bound = (v) => Math.min(model.reach, Math.max(-model.reach, v));
    z = [bound(x), bound(y)];
    near = -1;
    let best = (0.035 * model.reach) ** 2;
    model.codes.forEach(([a, b], i) => {
      const far = (a - z[0]) ** 2 + (b - z[1]) ** 2;
      if (far < best) [best, near] = [far, i];
    });
    plane.redraw();
    picture.redraw();
    const words = tell();
    picture.element.setAttribute("aria-label", words);
    say(words);
  }

  // What there is to see, in words: where, and how much like a digit it looks.
  function tell() {
    const drawn = model.run(z);
    let ink = 0;
    let sure = 0;
    for (const v of drawn) {
      ink += v;
      if (v < 0.1 || v > 0.9) sure += 1;
    }
    const count = drawn.length;
    const place = `${model.name} at ${plain(z[0])}, ${plain(z[1])}`;
    const strokes = `${Math.round((100 * ink) / count)} % of the picture is white`;
    const edges = `${Math.round((100 * sure) / count)} % of its pixels are decided`;
    const beside = nearest();
    const digit =
      near < 0
        ? `the nearest test digit is a ${beside.label}, ${plain(beside.far, 1)} away`
        : `on the code of a test digit ${data.labels[near]}, shown in the corner`;
    return `${place}: ${strokes}, ${edges}; ${digit}.`;
  }
  function nearest() {
    let found = { far: Infinity, label: "" };
    model.codes.forEach(([a, b], i) => {
      const far = Math.hypot(a - z[0], b - z[1]);
      if (far < found.far) found = { far, label: data.labels[i] };
    });
    return found;
  }

  lead(
    plane,
    "Plane of codes. Arrow keys move, with Shift in larger steps.",
    (x, y) => go(((x - SIDE / 2) / (SIDE / 2)) * model.reach, ((SIDE / 2 - y) / (SIDE / 2)) * model.reach),
    (dx, dy) => go(z[0] + (dx * model.reach) / 50, z[1] + (dy * model.reach) / 50),
  );
  const names = models.map((m, i) => [i, m.name]);
  const chosen = choice(controls, "Model", names, () => {
    model = models[Number(chosen.value)];
    go(0, 0);
  });
  go(0, 0);
  return { decode: (index, at) => models[index].run(at), paint: () => (plane.paint(), picture.paint()), go };
}
