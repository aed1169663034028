// The theme's names for screen readers, where they leave out words that are on the
// screen, and its roles, where a browser would not expect them.
document.addEventListener("DOMContentLoaded", () => {
  const all = (selector, change) =>
    document.querySelectorAll(selector).forEach(change);
  all(".search-button-field[aria-label]", (element) =>
    element.removeAttribute("aria-label"),
  );
  all(".theme-switch-button", (element) =>
    element.setAttribute("aria-label", "Colours: Light, Dark, System Settings"),
  );
  all(".bd-sidebar-primary", (element) => {
    element.setAttribute("role", "complementary");
    element.setAttribute("aria-label", "Course");
  });
  // The theme marks the section that is read, in contents that it calls otherwise.
  const contents = document.getElementById("pst-page-toc-nav");
  if (contents) document.body.dataset.bsTarget = "#pst-page-toc-nav";
  else delete document.body.dataset.bsSpy;
  all(".bd-sidebar-primary summary", (element) => {
    const page = element.closest("li").querySelector("a").textContent.trim();
    element.setAttribute("aria-label", `Pages under ${page}`);
  });
  // What scrolls has to be within reach of the keyboard.
  all(".pst-scrollable-table-container, .drawing", (element) => {
    const mend = () => {
      if (element.scrollWidth > element.clientWidth + 1) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    };
    new ResizeObserver(mend).observe(element);
  });
  all(".predict", choose);
  all(".citation-list, .citation", (element) => element.removeAttribute("role"));
});

// A page opened from a file may not read the others, so search shows titles alone.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// A prediction: its answers become buttons. After the choice, the chosen and the
// right answer say what they are, and what happened unfolds. Nothing is kept.
function choose(card) {
  const answers = [...card.querySelectorAll(".predict-answer")];
  const happened = card.querySelector(".predict-happened");
  const said = document.createElement("p");
  said.className = "visually-hidden";
  said.setAttribute("role", "status");
  card.append(said);

  const settle = (chosen) => {
    for (const answer of answers) {
      const button = answer.firstElementChild;
      if (button.hasAttribute("aria-disabled")) return;
      const right = answer.dataset.letter === card.dataset.answer;
      button.setAttribute("aria-disabled", "true");
      answer.classList.toggle("right", right);
      answer.classList.toggle("chosen", answer === chosen);
      const words = [right ? "✓ what happened" : "✗ your guess"];
      if (right && answer === chosen) words[0] = "✓ as you said";
      if (right || answer === chosen) {
        const verdict = document.createElement("span");
        verdict.className = "predict-verdict";
        verdict.textContent = words[0];
        button.append(" ", verdict);
      }
    }
    happened.open = true;
    if (chosen) {
      said.textContent =
        chosen.dataset.letter === card.dataset.answer
          ? "As you said. What happened is below."
          : `Not what happened: ${card.dataset.answer}. Why is below.`;
    }
  };

  for (const answer of answers) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...answer.childNodes);
    button.addEventListener("click", () => settle(answer));
    answer.append(button);
  }
  happened.addEventListener("toggle", () => happened.open && settle(null));
  // A formula has a menu that takes the focus; not inside a button.
  const still = () => {
    for (const formula of card.querySelectorAll("button [tabindex]"))
      formula.removeAttribute("tabindex");
  };
  still();
  const changes = { attributeFilter: ["tabindex"], childList: true, subtree: true };
  new MutationObserver(still).observe(card, changes);
}
