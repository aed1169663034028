// β by hand: a slider through trained models; reconstructions and codes follow.
import { canvas, frame, plain, slider } from "./kit.js";
import { strip } from "./network.js";

const SIDE = 260;

/** data: { models: [{ beta, rate, distortion, codes, spreads, images }], originals }. */
export function start(root, data) {
  const { stage, controls, say } = frame(root, data.title);
  const originals = strip(data.originals, data.side);
  const models = data.models.map((m) => ({ ...m, pictures: strip(m.images, data.side) }));
  const count = originals.length;
  const tile = 42;
  const pick = () => models[Math.round(which.value)];

  const view = canvas(stage, count * tile, 2 * tile + 44, (c, colour) => {
    c.imageSmoothingEnabled = false;
    c.fillStyle = colour.ink;
    c.fillText("test images", 0, 14);
    c.fillText("what the model makes of them", 0, tile + 36);
    originals.forEach((p, i) => c.drawImage(p, i * tile, 20, tile - 3, tile - 3));
    pick().pictures.forEach((p, i) => c.drawImage(p, i * tile, tile + 42, tile - 3, tile - 3));
  });
  const bars = canvas(stage, SIDE, 130, (c, colour) => {
    const spreads = pick().spreads;
    const top = Math.max(...models.flatMap((m) => m.spreads));
    const wide = SIDE / spreads.length;
    c.fillStyle = colour.ink;
    c.fillText("spread of each number of the code", 0, 14);
    c.fillStyle = colour.blue;
    spreads.forEach((s, i) => {
      const high = Math.max(1, (s / top) * 100);
      c.fillRect(i * wide, 126 - high, Math.max(1, wide - 1.5), high);
    });
  });
  for (const area of [view, bars]) area.element.setAttribute("role", "img");

  function moved() {
    view.redraw();
    bars.redraw();
    const m = pick();
    const alive = m.spreads.filter((s) => s > 0.1).length;
    const words =
      `β = ${m.beta}: rate ${plain(m.rate, 1)} nats, distortion ${plain(m.distortion, 1)} nats; ` +
      `${alive} of ${m.spreads.length} numbers of the code vary.`;
    view.element.setAttribute("aria-label", `Reconstructions. ${words}`);
    bars.element.setAttribute("aria-label", `Bars. ${words}`);
    say(words);
  }
  const which = slider(
    controls,
    { name: "β", min: 0, max: models.length - 1, step: 1, value: data.start, show: (v) => String(models[v].beta) },
    moved,
  );
  moved();
  return { models };
}
