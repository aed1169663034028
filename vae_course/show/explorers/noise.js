// Noise and back: a slider along the road, with given pictures on their way to noise and
// drawn ones on their way out of it.
import { canvas, frame, plain, slider } from "./kit.js";
import { strip } from "./network.js";

const TILE = 42;

/** data: { title, side, last, stops: [{ t, signal, given, drawn }] }, noise last. */
export function start(root, data) {
  const { stage, controls, say } = frame(root, data.title);
  const stops = data.stops.map((s) => ({
    ...s,
    given: strip(s.given, data.side),
    drawn: strip(s.drawn, data.side),
  }));
  const count = stops[0].given.length;
  const here = () => stops[Math.round(where.value)];

  const view = canvas(stage, count * TILE, 2 * TILE + 64, (c, colour) => {
    c.imageSmoothingEnabled = false;
    const { signal, given, drawn } = here();
    c.fillStyle = colour.ink;
    c.fillText("given digits, on their way to noise", 0, 14);
    c.fillText("drawn ones, on their way out of it", 0, TILE + 36);
    given.forEach((p, i) => c.drawImage(p, i * TILE, 20, TILE - 3, TILE - 3));
    drawn.forEach((p, i) => c.drawImage(p, i * TILE, TILE + 42, TILE - 3, TILE - 3));
    // The share of the code's variance in each latent, beside that of the noise.
    const wide = count * TILE - 3;
    c.fillStyle = colour.orange;
    c.fillRect(0, 2 * TILE + 48, wide, 10);
    c.fillStyle = colour.blue;
    c.fillRect(0, 2 * TILE + 48, wide * signal ** 2, 10);
  });
  view.element.setAttribute("role", "img");

  function moved() {
    view.redraw();
    const { t, signal } = here();
    const share = signal ** 2;
    const words =
      `Step ${t} of ${data.last}: ${plain(100 * share, 0)} % of the variance is the code ` +
      `(blue), ${plain(100 * (1 - share), 0)} % is noise (orange).`;
    view.element.setAttribute("aria-label", `Two rows of digits. ${words}`);
    say(words);
  }
  const where = slider(
    controls,
    { name: "t", min: 0, max: stops.length - 1, step: 1, value: 0, show: (v) => String(stops[v].t) },
    moved,
  );
  moved();
  return { paint: view.paint };
}
