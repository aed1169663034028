// A formula that is wider than its column scrolls in a box of its own, which the
// keyboard reaches. All are measured before any is changed, so that the page is laid
// out once.
{
  const measure = (formula) => {
    const drawn = formula.querySelector("mjx-container");
    if (formula.tagName !== "SPAN") {
      // One in a line of its own scrolls there, in the theme's style.
      return { box: drawn, wide: drawn.scrollWidth > drawn.clientWidth };
    }
    const room = formula.closest("p, li, td, th, dd, h1, h2, h3, div").clientWidth;
    const width = drawn.firstElementChild.getBoundingClientRect().width;
    return { box: formula, wide: room > 0 && width > room + 1, inline: true };
  };

  const fit = (formulas) => {
    for (const { box, wide, inline } of [...formulas].map(measure)) {
      if (inline) box.classList.toggle("wide", wide);
      if (wide) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };

  // What is not laid out yet is measured when it is.
  const skipped = "article > section > section:not([style*='visible']) .math";
  const all = () => {
    const formulas = new Set(document.querySelectorAll(".math"));
    for (const formula of document.querySelectorAll(skipped)) formulas.delete(formula);
    fit(formulas);
  };
  for (const sign of ["laidout", "toggle"])
    document.addEventListener(
      sign,
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
