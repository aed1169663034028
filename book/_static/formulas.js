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

  // What is far from the window is not laid out yet, and can wait.
  const near = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries)
        if (isIntersecting) near.add(target);
        else near.delete(target);
      fit(near);
    },
    { rootMargin: "100% 0px" },
  );
  for (const formula of document.querySelectorAll(".math")) watcher.observe(formula);
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => fit(near), 200);
  });
  document.fonts.ready.then(() => fit(near));
}
