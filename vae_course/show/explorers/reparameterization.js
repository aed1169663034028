// z = μ + σ·ε by hand, and how a loss's slope at z comes back to μ and to σ.
import { button, canvas, frame, plain, slider } from "./kit.js";

const WIDE = 420;
const HIGH = 250;
const REACH = 4; // the axis ends at ±REACH

/** The loss is ½(z − target)²; its slopes by the chain rule. */
export function slopes({ mean, std, noise, target }) {
  const z = mean + std * noise;
  const atZ = z - target;
  return { z, loss: 0.5 * atZ * atZ, atZ, toMean: atZ, toStd: atZ * noise };
}

export function start(root, data) {
  const { stage, controls, say } = frame(root, data.title);
  const target = data.target;
  const x = (value) => WIDE / 2 + (value / REACH) * (WIDE / 2 - 16);
  const line = HIGH - 46;

  const view = canvas(stage, WIDE, HIGH, (c, colour) => {
    const now = { mean: mean.value, std: std.value, noise: noise.value, target };
    const found = slopes(now);
    c.strokeStyle = colour.soft;
    c.fillStyle = colour.soft;
    c.beginPath();
    c.moveTo(x(-REACH), line);
    c.lineTo(x(REACH), line);
    c.stroke();
    c.textAlign = "center";
    for (let v = -REACH; v <= REACH; v += 2) c.fillText(plain(v, 0), x(v), line + 18);
    // The density of z, given μ and σ.
    c.strokeStyle = colour.blue;
    c.lineWidth = 2;
    c.beginPath();
    for (let v = -REACH; v <= REACH; v += 0.04) {
      const density = Math.exp(-0.5 * ((v - now.mean) / now.std) ** 2) / now.std;
      const y = line - Math.min(150, 62 * density);
      if (v === -REACH) c.moveTo(x(v), y);
      else c.lineTo(x(v), y);
    }
    c.stroke();
    c.fillStyle = colour.blue;
    c.fillText("μ", x(now.mean), line + 34);
    // The target, and z.
    c.fillStyle = colour.green;
    c.fillRect(x(target) - 1.5, line - 12, 3, 24);
    c.fillText("target", x(target), line + 34);
    const at = Math.min(REACH, Math.max(-REACH, found.z));
    c.fillStyle = colour.orange;
    c.beginPath();
    c.arc(x(at), line, 7, 0, 7);
    c.fill();
    c.fillText("z", x(at), line - 12);
    // Both slopes, as arrows in the way that lowers the loss.
    c.textAlign = "left";
    arrow(c, colour.orange, 24, `slope at μ: ${plain(found.toMean)}`, -found.toMean);
    arrow(c, colour.purple, 48, `slope at σ: ${plain(found.toStd)}`, -found.toStd);
  });
  view.element.setAttribute("role", "img");

  function arrow(c, colour, y, words, value) {
    const start_ = WIDE - 100;
    const end = start_ + Math.max(-80, Math.min(80, 14 * value));
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = 2.5;
    c.fillText(words, 8, y + 4);
    c.beginPath();
    c.moveTo(start_, y);
    c.lineTo(end, y);
    const head = Math.sign(value) * Math.min(6, Math.abs(end - start_));
    c.moveTo(end - head, y - 5);
    c.lineTo(end, y);
    c.lineTo(end - head, y + 5);
    c.stroke();
  }

  function moved() {
    view.redraw();
    const now = { mean: mean.value, std: std.value, noise: noise.value, target };
    const f = slopes(now);
    const words =
      `z = ${plain(now.mean)} + ${plain(now.std)} · ${plain(now.noise)} = ${plain(f.z)}. ` +
      `The loss is ${plain(f.loss)}; its slope at z and at μ is ${plain(f.toMean)}, ` +
      `at σ it is ε times that: ${plain(f.toStd)}.`;
    view.element.setAttribute("aria-label", words);
    say(words);
  }
  const mean = slider(controls, { name: "μ", min: -3, max: 3, step: 0.05, value: -1 }, moved);
  const std = slider(controls, { name: "σ", min: 0.1, max: 2, step: 0.05, value: 0.6 }, moved);
  const noise = slider(controls, { name: "ε", min: -3, max: 3, step: 0.05, value: 1 }, moved);
  button(controls, "Draw a new ε", () => {
    const uniform = () => 1 - Math.random();
    const drawn = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * Math.random());
    noise.set(Math.max(-3, Math.min(3, drawn)));
    moved();
  });
  moved();
  return { slopes };
}
