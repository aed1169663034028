// A latent image: paint on a channel of a convolutional code, and the decoder follows.
// All values are told in standard deviations from their channel's mean.
import { button, canvas, choice, frame, lead, make, plain, slider } from "./kit.js";
import { bytes, floats } from "./network.js";
import { convolutional } from "./convolution.js";

const BOARD = 240; // the channel, in units
const PICTURE = 116; // each of four
const NAME = 18;
const SEEN = 0.05; // of the range: what counts as a changed pixel

/** Three planes of values in [0, 1] on a small canvas, which others enlarge. */
function colourPicture(side, value) {
  const small = make("canvas", { width: side, height: side });
  const context = small.getContext("2d");
  const image = context.createImageData(side, side);
  const places = side * side;
  for (let p = 0; p < places; p++) {
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = Math.round(255 * value(c * places + p));
    image.data[4 * p + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return small;
}

/**
 * data: { title, net, side, size, reach, stronger, mean, std,
 * pictures: [{ name, given, code }] }.
 */
export function start(root, data) {
  const { stage, controls, say } = frame(root, data.title);
  const { side, size, mean, std } = data;
  const cells = side * side;
  const places = size * size;
  const run = convolutional({ ...data.net, side });
  const decode = (z) => run(z).map((v) => Math.min(1, Math.max(0, (v + 1) / 2)));
  const pictures = data.pictures.map((p) => ({ ...p, given: bytes(p.given), code: floats(p.code) }));

  let shown; // the picture whose code is painted on
  let z; // the code as it is now
  let now; // and what the decoder makes of it
  let row = Math.floor(side / 2);
  let column = Math.floor(side / 2);
  const channel = () => Number(channels.value);
  const place = () => channel() * cells + row * side + column;
  const told = (code, at) => {
    const c = Math.floor(at / cells);
    return (code[at] - mean[c]) / std[c];
  };
  // Every value has its own grey; most of the contrast is within two deviations.
  const grey = (value) => Math.round(255 * (0.5 + Math.atan(value) / Math.PI));

  /** A frame that is seen on any grey: dark, with a light line in it. */
  function mark(c, x, y, wide) {
    for (const [style, width] of [["#000", 4], ["#fff", 2]]) {
      c.strokeStyle = style;
      c.lineWidth = width;
      c.strokeRect(x, y, wide, wide);
    }
  }
  const board = canvas(stage, BOARD, BOARD, (c) => {
    const wide = BOARD / side;
    for (let p = 0; p < cells; p++) {
      const value = grey(told(z, channel() * cells + p));
      c.fillStyle = `rgb(${value}, ${value}, ${value})`;
      c.fillRect((p % side) * wide, Math.floor(p / side) * wide, wide + 0.5, wide + 0.5);
    }
    mark(c, column * wide + 2, row * wide + 2, wide - 4);
  });
  const gap = (p) => Math.abs(now[p] - shown.decoded[p]);
  const panels = [
    ["decoded", (p) => now[p]],
    ["from its own code", (p) => shown.decoded[p]],
    ["photograph", (p) => shown.given[p] / 255],
    [`change, times ${data.stronger}`, (p) => Math.min(1, data.stronger * gap(p))],
  ];
  const view = canvas(stage, BOARD, BOARD + 2 * NAME, (c, colour) => {
    c.imageSmoothingEnabled = false;
    const wide = PICTURE / side;
    panels.forEach(([name, value], i) => {
      const left = (i % 2) * (BOARD - PICTURE);
      const top = Math.floor(i / 2) * (BOARD - PICTURE + NAME);
      c.fillStyle = colour.ink;
      c.fillText(name, left, top + NAME - 5);
      c.drawImage(colourPicture(size, value), left, top + NAME, PICTURE, PICTURE);
      mark(c, left + column * wide, top + NAME + row * wide, wide);
    });
  });
  view.element.setAttribute("role", "img");
  view.element.style.flex = "1 1 14rem"; // on a phone, too: it holds four

  /** How many pixels look different from the picture of the encoded code, and where. */
  function changes() {
    const found = { count: 0, rows: [size, -1], columns: [size, -1] };
    for (let p = 0; p < places; p++) {
      if (Math.max(gap(p), gap(places + p), gap(2 * places + p)) <= SEEN) continue;
      found.count += 1;
      const at = { rows: Math.floor(p / size), columns: p % size };
      for (const way of ["rows", "columns"])
        found[way] = [Math.min(found[way][0], at[way]), Math.max(found[way][1], at[way])];
    }
    return found;
  }
  function tell() {
    const { count, rows, columns } = changes();
    const cell =
      `Channel ${channel() + 1}, row ${row + 1}, column ${column + 1}: value ` +
      `${plain(told(z, place()))}, encoded ${plain(told(shown.code, place()))}.`;
    if (!count) return `${cell} No pixel has changed by more than ${100 * SEEN} %.`;
    const between = ([from, to]) => `${from + 1} to ${to + 1}`;
    return (
      `${cell} ${count} of ${places} pixels have changed by more than ${100 * SEEN} %: ` +
      `rows ${between(rows)}, columns ${between(columns)}.`
    );
  }
  function update(painted) {
    if (painted) now = decode(z);
    board.redraw();
    view.redraw();
    const words = tell();
    view.element.setAttribute("aria-label", `The decoded picture. ${words}`);
    say(words);
  }
  function paint(value) {
    const c = channel();
    z[place()] = mean[c] + std[c] * Math.min(data.reach, Math.max(-data.reach, value));
    update(true);
  }
  function go(toRow, toColumn) {
    const inside = (n) => Math.min(side - 1, Math.max(0, n));
    [row, column] = [inside(toRow), inside(toColumn)];
    update(false);
  }
  function reset() {
    shown = pictures[Number(chosen.value)];
    z = shown.code.slice();
    shown.decoded ??= decode(z);
    update(true);
  }

  lead(
    board,
    "A channel of the code. Arrow keys move over its cells, plus and minus change one, " +
      "the space bar gives it the brush's value.",
    (x, y, pressed) => {
      go(Math.floor((y / BOARD) * side), Math.floor((x / BOARD) * side));
      if (pressed) paint(brush.value);
    },
    (dx, dy) => go(row - dy, column + dx),
  );
  board.element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { "+": 0.5, "=": 0.5, "-": -0.5, "−": -0.5 }[event.key];
    if (step) paint(told(z, place()) + step);
    else if (event.key === " " || event.key === "Enter") paint(brush.value);
    else return;
    event.preventDefault();
  });
  const names = pictures.map((p, i) => [i, p.name]);
  const chosen = choice(controls, "Picture", names, reset);
  const numbers = mean.map((_, i) => [i, String(i + 1)]);
  const channels = choice(controls, "Channel", numbers, () => update(false));
  const reach = { min: -data.reach, max: data.reach, step: 0.25, value: data.reach };
  const brush = slider(controls, { name: "Brush", ...reach }, () => {});
  button(controls, "Back to its own code", reset);
  reset();
  return {
    decode: (code) => decode(Float32Array.from(code)),
    changes,
    go,
    paint,
    draw: () => (board.paint(), view.paint()),
  };
}
