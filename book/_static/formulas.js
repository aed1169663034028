// Sets the page's formulas with MathJax: those near the window first, the others a
// few at a time while nothing else is to do, and all of them before a page is printed.
// A formula in a closed fold waits until the fold opens. Until then, and without
// scripts, a formula stands there as TeX.
{
  const formulas = new Set(document.querySelectorAll(".math"));
  const near = new Set();
  const here = new URL("mathjax/", document.currentScript.src).href;

  window.MathJax = {
    loader: {
      paths: { mathjax: here.replace(/\/$/, "") },
      load: ["core", "input/tex", "output/chtml", "a11y/assistive-mml"],
    },
    // The menu is left out: for it every formula would be a stop of the Tab key.
    options: { processHtmlClass: "math" },
    chtml: { adaptiveCSS: false },
    startup: {
      typeset: false,
      pageReady: () => {
        work();
        return Promise.resolve();
      },
    },
  };

  const hidden = (formula) => {
    const fold = formula.closest("details:not([open])");
    return fold !== null && formula.closest("summary") === null;
  };

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries)
        if (entry.isIntersecting && formulas.has(entry.target)) near.add(entry.target);
      wake();
    },
    { rootMargin: "50% 0px" },
  );
  for (const formula of formulas) watcher.observe(formula);
  document.addEventListener("toggle", () => wake(), true);

  let wake = () => {};

  // Some formulas to set now; none where the rest is folded away.
  const next = () => {
    const some = [...near].slice(0, 6);
    for (const formula of formulas) {
      if (some.length >= 3) break;
      if (!some.includes(formula) && !hidden(formula)) some.push(formula);
    }
    return some;
  };

  const idle = () =>
    new Promise((resolve) =>
      window.requestIdleCallback
        ? requestIdleCallback(resolve, { timeout: 500 })
        : setTimeout(resolve, 30),
    );

  async function work() {
    while (formulas.size) {
      const some = next();
      if (some.length) {
        for (const formula of some) forget(formula);
        await MathJax.typesetPromise(some).catch((error) => console.error(error));
        some.forEach(fit);
        if (!near.size) await idle();
        else await new Promise((resolve) => setTimeout(resolve));
      } else await new Promise((resolve) => (wake = resolve));
    }
  }

  function forget(formula) {
    formulas.delete(formula);
    near.delete(formula);
    watcher.unobserve(formula);
  }

  // A formula that is wider than its column scrolls in a box of its own, which the
  // keyboard reaches.
  function fit(formula) {
    const set = formula.querySelector("mjx-container");
    if (!set) return;
    let box = set; // a displayed formula scrolls there, in the theme's style
    if (formula.tagName === "SPAN") {
      box = formula;
      formula.classList.remove("wide");
      const column = formula.closest("p, li, td, th, dd, h1, h2, h3, div");
      const drawn = set.getBoundingClientRect().width;
      formula.classList.toggle("wide", drawn > column.clientWidth + 1);
    }
    if (box.scrollWidth > box.clientWidth + 1 && box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => document.querySelectorAll(".math").forEach(fit), 200);
  });

  addEventListener("beforeprint", () => {
    if (!window.MathJax.typeset || !formulas.size) return;
    const rest = [...formulas];
    rest.forEach(forget);
    MathJax.typeset(rest);
  });

  const load = () => {
    const script = document.createElement("script");
    script.src = `${here}startup.js`;
    document.head.append(script);
  };
  if (document.readyState === "complete") load();
  else addEventListener("load", () => setTimeout(load, 50));
}
