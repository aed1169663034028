"""The built pages in a real browser, opened from disk, without a network."""

import functools
import http.server
import threading
from pathlib import Path

import axe_playwright_python
import pytest
from test_site import CONTENTS

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
PAGES = [*CONTENTS, "search", "genindex", "404"]
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# Half of a chapter's elements are words of code. Of each kind, on each ground,
# the first one in sight stays an element; the others become plain text.
FEWER_WORDS = """() => {
  const words = [...document.querySelectorAll("pre span")];
  const inSight = words.map(word => word.checkVisibility());
  const seen = new Set();
  words.forEach((word, i) => {
    const box = word.closest("pre").parentElement;
    const kind = `${word.className} in ${box.className}`;
    if (!inSight[i] || seen.has(kind)) word.replaceWith(...word.childNodes);
    else seen.add(kind);
  });
}"""
# What axe finds, told in one line a finding.
FIND = """async (rules) => {
  const options = rules ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(
    {exclude: ["mjx-math"]},  // a thousand boxes, which nobody hears
    {...options, resultTypes: ["violations"], preload: false});
  return found.violations.flatMap(v => v.nodes.map(n =>
    `${v.id}: ${n.target.join(" ")} ${n.any.map(a => a.message).join("; ")}`));
}"""
IN_THE_DARK = ["color-contrast", "target-size", "scrollable-region-focusable"]
ALL_SET = """() => [...document.querySelectorAll(".math")].every(
  f => f.querySelector("mjx-container") || f.closest("details:not([open])"))"""
ALL_LAID_OUT = """() => [...document.querySelectorAll(
  "article > section > section")].every(
  s => getComputedStyle(s).contentVisibility === "visible")"""
SIDEWAYS = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const all = [...document.querySelectorAll("body *")];
  return [`${document.documentElement.scrollWidth} of ${width}`, ...all
    .filter(e => e.getBoundingClientRect().right > width + 1)
    .filter(e => !e.parentElement.closest(".wide, .drawing, pre"))
    .slice(0, 5).map(e => e.outerHTML.slice(0, 160))];
}"""


@pytest.fixture(scope="module")
def visit(chromium, site):
    """What one look at a page finds; each page is looked at once."""

    @functools.cache
    def look(name: str) -> dict[str, list[str]]:
        context = chromium.new_context(viewport=DESK, color_scheme="light")
        page = context.new_page()
        found = {"loading": [], "axe": [], "sideways": []}
        page.on("pageerror", lambda e: found["loading"].append(str(e)))
        page.on("requestfailed", lambda r: found["loading"].append(r.url))
        page.on("request", lambda r: _outside(r, found["loading"]))
        page.on(
            "console",
            lambda m: m.type == "error" and found["loading"].append(m.text),
        )
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_function(ALL_SET, timeout=60_000)
        page.keyboard.press("Shift")  # somebody is there
        page.wait_for_function(ALL_LAID_OUT)
        page.add_script_tag(content=AXE.read_text("utf-8"))
        page.evaluate(FEWER_WORDS)
        found["axe"] += page.evaluate(FIND, None)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(700)  # the theme makes scrolling code a stop
        found["axe"] += page.evaluate(FIND, IN_THE_DARK)
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(350)  # formulas are fitted after a rest
            found["sideways"] += page.evaluate(SIDEWAYS)
        context.close()
        return found

    return look


def _outside(request, found) -> None:
    if not request.url.startswith(("file:", "data:", "blob:")):
        found.append(request.url)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_whole_from_disk_alone(visit, name):
    assert visit(name)["loading"] == []


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_in_light_on_a_desk_or_in_dark_on_a_phone(
    visit, name
):
    assert visit(name)["axe"] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_never_scrolls_a_page_sideways(visit, name):
    assert visit(name)["sideways"] == []


# --- By keyboard -------------------------------------------------------------


@pytest.fixture
def open_page(chromium, site):
    """Opens a page; at the end it is closed."""
    contexts = []

    def opened(name, viewport=DESK, **given):
        context = chromium.new_context(viewport=viewport, **given)
        contexts.append(context)
        page = context.new_page()
        page.goto((site / f"{name}.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


FOCUSED = "() => document.activeElement.outerHTML.split('>')[0]"


def test_the_skip_link_lands_in_the_text(open_page):
    page = open_page("book/glossary")
    page.keyboard.press("Tab")
    assert "#article" in page.evaluate(FOCUSED)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article') !== null")


def test_the_switch_of_colours_keeps_the_focus_and_says_how_it_stands(
    open_page,
):
    page = open_page("book/glossary")
    switch = page.locator(".theme-switch-button").first
    switch.focus()
    names = [switch.get_attribute("aria-label")]
    for _ in range(3):
        page.keyboard.press("Enter")
        assert "theme-switch-button" in page.evaluate(FOCUSED)
        names.append(switch.get_attribute("aria-label"))
    assert len(set(names[:3])) == 3 and names[0] == names[3]
    assert all(name.startswith("Colours: ") for name in names)


def test_escape_leads_from_the_search_back_to_its_button(open_page):
    page = open_page("book/glossary")
    page.locator(".search-button-field").focus()
    page.keyboard.press("Enter")
    assert 'type="search"' in page.evaluate(FOCUSED)
    page.keyboard.press("Escape")
    assert "search-button" in page.evaluate(FOCUSED)
    page.keyboard.press("Enter")
    assert page.locator("#pst-search-dialog").get_attribute("open") is not None


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_a_drawer_opens_says_so_and_gives_the_focus_back(open_page, side):
    page = open_page("book/elbo", PHONE)
    toggle = page.locator(f".{side}-toggle")
    assert toggle.get_attribute("aria-expanded") == "false"
    toggle.focus()
    page.keyboard.press("Enter")
    assert toggle.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert toggle.get_attribute("aria-expanded") == "false"
    assert f"{side}-toggle" in page.evaluate(FOCUSED)


def test_every_button_of_the_header_shows_that_it_has_the_focus(open_page):
    page = open_page("notebooks/03_reparameterization")
    page.keyboard.press("Tab")  # from here on, the keyboard leads
    plain = page.evaluate(
        """() => [...document.querySelectorAll(
             ".bd-header-article :is(a, button)")]
           .filter(e => e.offsetParent)
           .filter(e => { e.focus();
             const s = getComputedStyle(e);
             return s.outlineStyle === "none" || s.outlineWidth === "0px"; })
           .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert plain == []


def test_formulas_are_no_stops_on_the_way_through_the_derivation(open_page):
    page = open_page("book/elbo")
    page.wait_for_function(ALL_SET, timeout=60_000)
    page.keyboard.press("Shift")
    page.wait_for_function(ALL_LAID_OUT)
    stops = page.evaluate(
        """() => [...document.querySelectorAll(
             "article .math, article .math *")]
             .filter(e => e.tabIndex >= 0
                       && e.scrollWidth <= e.clientWidth + 1).length"""
    )
    assert stops == 0  # but for one that has to be scrolled
    page.set_viewport_size({"width": 320, "height": 800})
    page.wait_for_timeout(400)
    cut = page.evaluate(
        """() => [...document.querySelectorAll("article .math")].filter(f => {
             const m = f.querySelector("mjx-container");
             const box = f.tagName === "SPAN" ? f : m;
             return f.tagName === "SPAN"
               ? m.getBoundingClientRect().right > innerWidth
                 && !f.classList.contains("wide")
               : box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0;
           }).map(f => f.textContent)"""
    )
    assert cut == []


def test_a_quiz_says_why_to_a_hand_on_the_keyboard(open_page):
    page = open_page("notebooks/02_mlp_vae")
    cards = page.locator(".quiz").all()
    assert len(cards) == 5
    for card in cards:
        right = card.get_attribute("data-answer")
        for answer in card.locator(".predict-answer").all():
            letter = answer.get_attribute("data-letter")
            button, said = (
                answer.locator("button"),
                answer.locator(".quiz-said"),
            )
            assert said.text_content() == ""
            button.focus()
            page.keyboard.press("Enter")
            verdict = "✓ right" if letter == right else "✗ no"
            assert verdict in button.text_content()
            assert button.get_attribute("aria-pressed") == "true"
            why = card.locator(f'.quiz-why[data-letter="{letter}"]')
            assert len(said.text_content()) > 20
            assert said.text_content() in why.text_content()


# --- What is laid out late ---------------------------------------------------


@pytest.mark.parametrize("viewport", [DESK, PHONE])
@pytest.mark.parametrize("name", ["book/elbo", "notebooks/04_elbo"])
def test_a_link_into_a_page_lands_where_it_leads(open_page, name, viewport):
    """Though what lies above it was never laid out."""
    page = open_page(name, viewport)
    last = page.locator("article > section > section").last
    place = last.get_attribute("id")
    page.evaluate("place => { location.hash = place; }", place)
    top = last.locator("h2").first.element_handle()
    page.wait_for_function(
        """h => Math.abs(h.getBoundingClientRect().top) < innerHeight / 3
          || innerHeight + scrollY >= document.body.scrollHeight - 2""",
        arg=top,
    )
    assert last.locator("h2").first.is_visible()
    page.wait_for_timeout(500)  # and there it stays
    assert 0 <= top.bounding_box()["y"] < viewport["height"]


def test_a_ring_of_focus_is_not_cut(open_page):
    page = open_page("notebooks/04_elbo")
    room = "s => parseFloat(getComputedStyle(s).overflowClipMargin)"
    section = page.locator("article > section > section").first
    assert section.evaluate(room) >= 5


# --- Explorers ---------------------------------------------------------------

ALIVE = """() => document.querySelector(".vae-explorer").dataset.alive
  === "true"
  && !document.querySelector(".vae-explorer .x-still")?.checkVisibility()"""


def test_an_explorer_comes_when_a_reader_comes_near(open_page):
    page = open_page("notebooks/02_mlp_vae")
    page.wait_for_timeout(500)
    count = "() => document.querySelectorAll('script[src*=explorers]').length"
    assert page.evaluate(count) == 0
    page.keyboard.press("Shift")
    page.wait_for_function(ALL_LAID_OUT)
    assert page.evaluate(count) == 0
    page.locator(".vae-explorer").scroll_into_view_if_needed()
    page.wait_for_function(ALIVE)
    assert page.evaluate(count) == 1


# --- Search, and paper -------------------------------------------------------


@pytest.fixture(scope="module")
def served(site):
    """The site's address on this machine, for what needs a server."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Says nothing."""


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("reparametrization", "03_reparameterization"),
        ("0.18215", "07_the_stable_diffusion_vae"),
        ("posterior collapse", "glossary"),
    ],
)
def test_search_finds_what_readers_type_and_says_how_much(
    chromium, served, query, page
):
    tab = chromium.new_page()
    tab.goto(f"{served}/search.html?q={query}")
    tab.wait_for_function(
        "() => /finished|found/.test(document.querySelector("
        "'#search-results ~ *, [role=status]')?.textContent ?? '')"
    )
    links = tab.locator("#search-results li a").evaluate_all(
        "all => all.map(a => a.href)"
    )
    assert any(page in link for link in links), links
    said = tab.locator("[role=status]").first.text_content()
    assert "found" in said
    tab.wait_for_timeout(500)
    excerpts = tab.locator("#search-results p.context").all_text_contents()
    assert excerpts and not [e for e in excerpts if "\\" in e], excerpts
    tab.close()


def test_on_paper_folds_are_open_lines_are_whole_and_colours_light(open_page):
    page = open_page("notebooks/03_reparameterization", color_scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("article details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    cut = page.evaluate(
        """() => [...document.querySelectorAll("article pre")].filter(
             e => e.scrollWidth > e.clientWidth + 1).length"""
    )
    assert cut == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("article details[open]").count() == 0


def test_still_readers_see_nothing_move(open_page):
    page = open_page("book/glossary", reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter(e =>
             parseFloat(getComputedStyle(e).transitionDuration) > 0).length"""
    )
    assert moving == 0
