// Adds up the heights of a page's blocks by kind, and leaves the sums on <html>.
addEventListener("load", () => {
  const sums = {
    prose: 0,
    "open code": 0,
    figures: 0,
    "other output": 0,
    exercises: 0,
    folds: 0,
  };
  const kinds = [
    ["exercises", "section.exercise, .cell.tag_exercise"],
    ["folds", ".cell details.hide > summary, .cell details.hide:not([open])"],
    ["open code", ".cell_input"],
    ["figures", ".course-figure, figure, .cell_output > img, .cell_output > svg"],
  ];
  const height = (element) => element.getBoundingClientRect().height;
  const visit = (element) => {
    const kind = kinds.find(([, selector]) => element.matches(selector));
    if (kind) sums[kind[0]] += height(element);
    else if (element.matches(".cell_output")) {
      const pictures = [...element.querySelectorAll("img, svg")].filter(
        (picture) => !picture.parentElement.closest("svg"),
      );
      const drawn = Math.min(
        height(element),
        Math.max(0, ...pictures.map(height)),
      );
      sums.figures += drawn;
      sums["other output"] += height(element) - drawn;
    } else if (
      element.matches(".cell") ||
      element.querySelector(".cell, section, .course-figure, figure")
    )
      [...element.children].forEach(visit);
    else sums.prose += height(element);
  };
  setTimeout(() => {
    const article = document.querySelector("article.bd-article");
    visit(article);
    const rounded = Object.fromEntries(
      Object.entries({ ...sums, page: height(article) }).map(([name, pixels]) => [
        name,
        Math.round(pixels),
      ]),
    );
    document.documentElement.dataset.census = JSON.stringify(rounded);
  }, 3000);
});
