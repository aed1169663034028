// The theme's names for screen readers, where they leave out words that are on the
// screen, and its roles, where a browser would not expect them.
document.addEventListener("DOMContentLoaded", () => {
  const all = (selector, change) =>
    document.querySelectorAll(selector).forEach(change);
  all(".search-button-field[aria-label]", (element) =>
    element.removeAttribute("aria-label"),
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
  sayColours();
  all(".primary-toggle, .secondary-toggle", sayOpen);
  keepFocus();
  all(".btn-report", nameSection);
  announceResults();
  all(".predict", choose);
  all(".quiz", ask);
  bringToLife();
  layOutLater();
  all(".citation-list, .citation", (element) => element.removeAttribute("role"));
});

// A page opened from a file may not read the others, so search shows titles alone.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// The scripts of explorers are large, and come when their explorers are near.
function bringToLife() {
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        const script = document.createElement("script");
        script.src = target.dataset.script;
        target.after(script);
      }
    },
    { rootMargin: "100% 0px" },
  );
  for (const explorer of document.querySelectorAll("[data-script]"))
    near.observe(explorer);
}

// The style sheet leaves a page's sections out of the layout while they are far from
// the window. They join it, a few milliseconds at a time, once the reader does anything;
// and all at once before a link leads to one, which else would land beside it.
function layOutLater() {
  const waiting = new Set(document.querySelectorAll("article > section > section"));
  const show = (sections) => {
    for (const section of sections) section.style.contentVisibility = "visible";
    for (const section of sections) {
      waiting.delete(section);
      section.dispatchEvent(new Event("laidout", { bubbles: true }));
    }
  };
  const later = window.requestIdleCallback ?? ((next) => setTimeout(next, 30));
  const next = () => {
    show([...waiting].slice(0, 1));
    if (waiting.size) later(next);
  };
  for (const sign of ["keydown", "pointerdown", "touchstart", "wheel"])
    addEventListener(sign, () => later(next), { once: true, passive: true });
  addEventListener("scroll", () => show([...waiting]), { once: true, passive: true });
  const lead = () => {
    show([...waiting]);
    const place = decodeURIComponent(location.hash.slice(1));
    if (place) document.getElementById(place)?.scrollIntoView();
  };
  document.addEventListener(
    "click",
    (event) => event.target.closest('a[href*="#"]') && show([...waiting]),
    true,
  );
  addEventListener("hashchange", () => waiting.size && lead());
  addEventListener("beforeprint", () => show([...waiting]));
  if (location.hash) lead();
}

// --- The header ----------------------------------------------------------------------

// The switch of colours says how it stands, and where the next press leads.
function sayColours() {
  const root = document.documentElement;
  const names = { light: "light", dark: "dark", auto: "as your system has them" };
  const say = () => {
    const state = names[root.dataset.mode] ?? names.auto;
    for (const button of document.querySelectorAll(".theme-switch-button")) {
      button.setAttribute("aria-label", `Colours: ${state}. Change`);
      button.title = `Colours: ${state}`;
    }
  };
  say();
  new MutationObserver(say).observe(root, { attributeFilter: ["data-mode"] });
}

// A button that opens a drawer says whether it is open. In a wide window the left
// one hides the sidebar instead.
function sayOpen(button) {
  const sidebar = document.getElementById(button.getAttribute("aria-controls"));
  const dialog = document.getElementById(`${sidebar?.id}-modal`);
  if (!sidebar || !dialog) return;
  const say = () => {
    const shown = sidebar.childElementCount > 0 && sidebar.offsetParent !== null;
    const open = dialog.open || (shown && sidebar.offsetWidth > 0);
    button.setAttribute("aria-expanded", String(open));
  };
  say();
  new MutationObserver(say).observe(dialog, { attributeFilter: ["open"] });
  new MutationObserver(say).observe(sidebar, { attributeFilter: ["class"] });
  addEventListener("resize", say);
}

// The theme's scripts take the focus from these buttons when they are pressed, so a
// second press would do nothing, and a closed drawer would leave the reader nowhere.
function keepFocus() {
  let pressed = null;
  const buttons =
    ".theme-switch-button, .search-button__button, .primary-toggle, .secondary-toggle";
  for (const button of document.querySelectorAll(buttons)) {
    button.addEventListener("click", () => {
      pressed = button;
      if (!document.querySelector("dialog[open]")) button.focus({ preventScroll: true });
    });
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => {
      if (pressed?.offsetParent) pressed.focus({ preventScroll: true });
    });
  }
}

// A report names the section that is being read.
function nameSection(link) {
  const plain = link.href;
  link.addEventListener("click", () => {
    const headings = [...document.querySelectorAll(".bd-article :is(h1, h2, h3)")];
    const above = headings.filter((h) => h.getBoundingClientRect().top < 150).pop();
    const section = (above ?? headings[0])?.firstChild?.textContent.trim();
    const address = new URL(plain);
    if (section)
      address.searchParams.set(
        "title",
        `${new URL(plain).searchParams.get("title")}: ${section}`,
      );
    link.href = address.href;
  });
}

// --- Search --------------------------------------------------------------------------

// How many results there are is said aloud, too.
function announceResults() {
  const results = document.getElementById("search-results");
  if (!results) return;
  const said = document.createElement("p");
  said.className = "visually-hidden";
  said.setAttribute("role", "status");
  results.before(said);
  new MutationObserver(() => {
    const words = results.querySelector(".search-summary")?.textContent.trim();
    if (words && words !== said.textContent) said.textContent = words;
  }).observe(results, { childList: true, characterData: true, subtree: true });
}

// --- On paper ------------------------------------------------------------------------

// Folds open and colours are light while a page is printed.
{
  let before = null;
  addEventListener("beforeprint", () => {
    const closed = [...document.querySelectorAll(".bd-article details:not([open])")];
    before = { closed, theme: document.documentElement.dataset.theme };
    for (const fold of closed) fold.open = true;
    document.documentElement.dataset.theme = "light";
    for (const picture of document.querySelectorAll("img[loading=lazy]"))
      picture.loading = "eager";
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    for (const fold of before.closed) fold.open = false;
    document.documentElement.dataset.theme = before.theme;
    before = null;
  });
}

// --- Predict -------------------------------------------------------------------------

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

// --- Quiz ----------------------------------------------------------------------------

// A question: its answers become buttons, and under the chosen one stands why it is
// right or wrong. One may try again. Nothing is kept.
function ask(card) {
  const reason = (letter) =>
    card.querySelector(`.quiz-why[data-letter="${letter}"] .quiz-reason`).innerHTML;
  for (const answer of card.querySelectorAll(".predict-answer")) {
    const right = answer.dataset.letter === card.dataset.answer;
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(...answer.childNodes);
    const said = document.createElement("div");
    said.className = "quiz-said";
    said.setAttribute("role", "status");
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-pressed") === "true") return;
      button.setAttribute("aria-pressed", "true");
      answer.classList.add("chosen");
      answer.classList.toggle("right", right);
      const verdict = document.createElement("span");
      verdict.className = "predict-verdict";
      verdict.textContent = right ? "✓ right" : "✗ no";
      button.append(" ", verdict);
      said.innerHTML = reason(answer.dataset.letter);
    });
    answer.append(button, said);
  }
}
