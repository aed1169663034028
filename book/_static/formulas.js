// A formula that is wider than its column scrolls in a box of its own, which the
// keyboard reaches. All are measured before any is changed, so that the page is laid
// out once.
{
  const measure = (formula) => {
    const set = formula.querySelector("mjx-container");
    const short = formula.tagName === "SPAN";
    const column = short
      ? formula.closest("p, li, td, th, dd, h1, h2, h3, div")
      : formula;
    const room = column.clientWidth;
    const inner = set.querySelector("mjx-math").getBoundingClientRect().width;
    return { formula, set, short, wide: room > 0 && inner > room + 1 };
  };

  const fit = (formulas) => {
    for (const { formula, set, short, wide } of [...formulas].map(measure)) {
      if (short) formula.classList.toggle("wide", wide);
      const box = short ? formula : set; // a displayed one scrolls by the theme's style
      if (wide) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };

  const all = () => fit(document.querySelectorAll(".math"));
  document.addEventListener(
    "toggle",
    (event) => fit(event.target.querySelectorAll(".math")),
    true,
  );
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(all, 200);
  });
  document.fonts.ready.then(all);
}
