// The theme's names for screen readers, where they leave out words that are on the
// screen, and its roles, where a browser would not expect them.
document.addEventListener("DOMContentLoaded", () => {
  const all = (selector, change) =>
    document.querySelectorAll(selector).forEach(change);
  all("summary[aria-label], .search-button-field[aria-label]", (element) =>
    element.removeAttribute("aria-label"),
  );
  all(".theme-switch-button", (element) =>
    element.setAttribute("aria-label", "Colours: Light, Dark, System Settings"),
  );
  all(".bd-sidebar-primary", (element) => {
    element.setAttribute("role", "complementary");
    element.setAttribute("aria-label", "Course");
  });
  // What scrolls has to be within reach of the keyboard.
  all(".pst-scrollable-table-container", (element) => {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
  });
  all(".citation-list, .citation", (element) => element.removeAttribute("role"));
});

// A page opened from a file may not read the others, so search shows titles alone.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
