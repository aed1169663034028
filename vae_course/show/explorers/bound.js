// The bound by hand: one latent dimension, the exact posterior, and a q that one bends.
// ELBO + gap = log p(x), always; the model is p(z) = N(0, 1), p(x|z) = N(w·z, s²).
import { button, canvas, frame, plain, slider } from "./kit.js";

const WIDE = 420;
const HIGH = 300;
const REACH = 4;

/** log p(x), the posterior, and for q = N(mean, std²) the ELBO and the gap, in nats. */
export function bound({ x, weight, noise, mean, std }) {
  const s2 = noise * noise;
  const evidence = -0.5 * (Math.log(2 * Math.PI * (weight * weight + s2)) + (x * x) / (weight * weight + s2));
  const variance = 1 / (1 + (weight * weight) / s2);
  const centre = (variance * weight * x) / s2;
  const v = std * std;
  const distortion =
    0.5 * Math.log(2 * Math.PI * s2) + ((x - weight * mean) ** 2 + weight * weight * v) / (2 * s2);
  const rate = 0.5 * (mean * mean + v - 1 - Math.log(v));
  const gap = 0.5 * (((mean - centre) ** 2 + v) / variance - 1 - Math.log(v / variance));
  return { evidence, elbo: -distortion - rate, gap, distortion, rate, centre, spread: Math.sqrt(variance) };
}

export function start(root, data) {
  const { stage, controls, say } = frame(root, data.title);
  const { x, weight, noise } = data;
  const at = (v) => WIDE / 2 + (v / REACH) * (WIDE / 2 - 16);
  const line = 150;
  const now = () => bound({ x, weight, noise, mean: mean.value, std: std.value });

  const view = canvas(stage, WIDE, HIGH, (c, colour) => {
    const found = now();
    const bell = (centre, spread, hue, dash) => {
      c.strokeStyle = hue;
      c.lineWidth = 2;
      c.setLineDash(dash);
      c.beginPath();
      for (let v = -REACH; v <= REACH + 0.01; v += 0.04) {
        const density = Math.exp(-0.5 * ((v - centre) / spread) ** 2) / spread;
        c.lineTo(at(v), line - Math.min(135, 50 * density));
      }
      c.stroke();
      c.setLineDash([]);
    };
    c.strokeStyle = colour.soft;
    c.beginPath();
    c.moveTo(at(-REACH), line);
    c.lineTo(at(REACH), line);
    c.stroke();
    bell(0, 1, colour.soft, [3, 4]);
    bell(found.centre, found.spread, colour.green, []);
    bell(mean.value, std.value, colour.blue, [8, 4]);
    c.textAlign = "left";
    let place = 8;
    for (const [words, hue] of [
      ["prior (dotted)", colour.soft],
      ["posterior", colour.green],
      ["your q (dashed)", colour.blue],
    ]) {
      c.fillStyle = hue;
      c.fillText(words, place, 14);
      place += c.measureText(words).width + 18;
    }
    // Three bars of nats below zero: the gap fills what the ELBO lacks.
    const nats = (value) => (value / data.deepest) * (WIDE - 130);
    const bar = (y, name, value, from, hue) => {
      c.fillStyle = hue;
      const left = 100 + Math.min(WIDE - 130, nats(-from));
      const wide = Math.min(WIDE - 130 - (left - 100), nats(value));
      c.fillRect(left, y, Math.max(1, wide), 20);
      c.fillStyle = colour.ink;
      c.fillText(name, 0, y + 15);
    };
    bar(185, "log p(x)", -found.evidence, 0, colour.green);
    bar(215, "ELBO", -found.elbo, 0, colour.blue);
    bar(245, "gap", found.gap, found.evidence, colour.orange);
    c.fillStyle = colour.ink;
    c.fillText(
      `${plain(found.elbo)} + ${plain(found.gap)} = ${plain(found.evidence)} nats`,
      100,
      288,
    );
  });
  view.element.setAttribute("role", "img");

  function moved() {
    view.redraw();
    const f = now();
    const words =
      `q has mean ${plain(mean.value)} and standard deviation ${plain(std.value)}; the posterior, ` +
      `${plain(f.centre)} and ${plain(f.spread)}. ELBO ${plain(f.elbo)} plus gap ${plain(f.gap)} ` +
      `is log p(x), ${plain(f.evidence)} nats.`;
    view.element.setAttribute("aria-label", words);
    say(words);
  }
  const mean = slider(controls, { name: "mean of q", min: -3, max: 3, step: 0.02, value: 0 }, moved);
  const std = slider(controls, { name: "std of q", min: 0.1, max: 2, step: 0.02, value: 1 }, moved);
  button(controls, "Make q the posterior", () => {
    const { centre, spread } = now();
    mean.set(centre);
    std.set(spread);
    moved();
  });
  moved();
  return { bound };
}
