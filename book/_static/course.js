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
  all("#pst-primary-sidebar", (element) => {
    element.setAttribute("role", "complementary");
    element.setAttribute("aria-label", "Course");
  });
  all(".citation-list, .citation", (element) => element.removeAttribute("role"));
});
