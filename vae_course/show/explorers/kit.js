// What explorers are made of: a frame with words for those who cannot see it, sliders,
// buttons, and a canvas that is sharp on any screen and follows light and dark.
// Plain DOM, no network. Every function takes the element into which it puts things.

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** An element with attributes and children; "class", "for" and aria-* are as in HTML. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Turns an explorer's output alive: the still picture goes, and a group comes.
 * Returns its stage, its controls, and say(words), which a screen reader speaks once
 * the hand rests.
 */
export function frame(root, name) {
  const stage = make("div", { class: "x-stage" });
  const controls = make("div", { class: "x-controls" });
  const said = make("p", { class: "x-said", role: "status" });
  root.querySelector(".x-still")?.remove();
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", name);
  root.append(make("p", { class: "x-name" }, name), stage, controls, said);
  let waiting;
  const say = (words) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (said.textContent = words), 150);
  };
  return { stage, controls, say };
}

/** A slider with its name and value; returns { value, set }. */
export function slider(into, { name, min, max, step, value, show }, moved) {
  const input = make("input", { type: "range", min, max, step, value });
  const output = make("output", {});
  const told = show ?? ((v) => v.toFixed(2).replace("-", "−"));
  const update = () => {
    const words = told(Number(input.value));
    output.textContent = words;
    input.setAttribute("aria-valuetext", words);
  };
  input.addEventListener("input", () => {
    update();
    moved();
  });
  update();
  into.append(make("label", { class: "x-slider" }, make("span", {}, name), input, output));
  return {
    get value() {
      return Number(input.value);
    },
    set(next) {
      input.value = next;
      update();
    },
  };
}

/** A button. */
export function button(into, words, pressed) {
  const element = make("button", { type: "button" }, words);
  element.addEventListener("click", pressed);
  into.append(element);
  return element;
}

/** One of several; returns { value }. */
export function choice(into, name, options, changed) {
  const select = make("select", {});
  for (const [value, words] of options) select.append(make("option", { value }, words));
  select.addEventListener("change", changed);
  into.append(make("label", { class: "x-choice" }, make("span", {}, name), select));
  return {
    get value() {
      return select.value;
    },
  };
}

/** The colours of the page at this place, by name. */
export function colours(root) {
  const style = getComputedStyle(root);
  const named = (name, otherwise) =>
    style.getPropertyValue(`--figure-${name}`).trim() || otherwise;
  const ink = style.color;
  return {
    ink,
    soft: named("soft", "#808893"),
    blue: named("blue", "#3b8ed0"),
    orange: named("orange", "#d9651f"),
    green: named("green", "#12956f"),
    pink: named("pink", "#cc79a7"),
    purple: named("purple", "#9a72bd"),
  };
}

/**
 * A canvas of so many units, drawn by draw(context, colours) when redraw is called,
 * when its size changes and when the page turns light or dark; at most once a frame.
 */
export function canvas(into, width, height, draw) {
  const element = make("canvas", {});
  element.style.aspectRatio = `${width} / ${height}`;
  element.style.maxWidth = `${width * 1.3}px`;
  into.append(element);
  const context = element.getContext("2d");
  let asked = false;
  const paint = () => {
    asked = false;
    const shown = element.clientWidth || width;
    const sharp = (shown / width) * (window.devicePixelRatio || 1);
    const wide = Math.round(width * sharp);
    if (element.width !== wide) {
      element.width = wide;
      element.height = Math.round(height * sharp);
    }
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "13px system-ui, sans-serif";
    context.lineJoin = context.lineCap = "round";
    draw(context, colours(element));
  };
  const redraw = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(paint);
  };
  new ResizeObserver(redraw).observe(element);
  new MutationObserver(redraw).observe(document.documentElement, {
    attributeFilter: ["data-theme", "theme", "class"],
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  redraw();
  return { element, redraw, paint };
}

/**
 * Lets a pointer, a finger or the arrow keys lead over a canvas.
 * moved(x, y, pressed) gets units of the canvas; stepped(dx, dy) gets −1, 0 or 1, times
 * five with Shift.
 */
export function lead(area, name, moved, stepped) {
  const element = area.element;
  element.tabIndex = 0;
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", name);
  const at = (event) => {
    const box = element.getBoundingClientRect();
    const scale = element.width / box.width;
    const unit = area.element.getContext("2d").getTransform().a;
    moved(
      ((event.clientX - box.left) * scale) / unit,
      ((event.clientY - box.top) * scale) / unit,
      event.buttons > 0,
    );
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    at(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" || event.buttons) at(event);
  });
  const keys = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, 1],
    ArrowDown: [0, -1],
  };
  element.addEventListener("keydown", (event) => {
    const way = keys[event.key];
    if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const times = event.shiftKey ? 5 : 1;
    stepped(times * way[0], times * way[1]);
  });
}

/** A number as one reads it: two places, a true minus. */
export const plain = (value, places = 2) =>
  (Math.abs(value) < 0.5 * 10 ** -places ? 0 : value).toFixed(places).replace("-", "−");
