// Search: spellings that mean the same, numbers such as 0.18215, and excerpts in which
// a formula reads as text. Loaded on the search page, after Sphinx's own scripts.
{
  const SPELLINGS = [
    [/\breparam(?:e)?tri[sz](\w*)/gi, "reparameteriz$1"],
    [/\breparameteris(\w*)/gi, "reparameteriz$1"],
    [/\bautoencoding\b/gi, "autoencoder"],
    [/\bauto-encoder/gi, "autoencoder"],
    [/\bkullback(?:[\s-]+leibler)?\b/gi, "KL"],
    [/\bcolou?rs?\b/gi, "colour"],
    [/\bnormalisation\b/gi, "normalization"],
    [/β/g, "beta"],
    [/σ/g, "sigma"],
  ];
  const parse = Search._parseQuery;
  Search._parseQuery = (query) => {
    const spelled = SPELLINGS.reduce((q, [from, to]) => q.replace(from, to), query);
    const parsed = parse(spelled);
    // Sphinx leaves numbers out of a query, though its index has them.
    for (const number of spelled.match(/\d[\d.,]*\d|\d/g) ?? [])
      for (const part of number.split(/[.,]/)) if (part.length > 1) parsed[1].add(part);
    return parsed;
  };

  const GREEK = {
    alpha: "α", beta: "β", gamma: "γ", delta: "δ", varepsilon: "ε", epsilon: "ε",
    theta: "θ", lambda: "λ", mu: "μ", pi: "π", sigma: "σ", phi: "φ", varphi: "φ",
    odot: "⊙", cdot: "·", times: "×", le: "≤", ge: "≥", sim: "∼", mid: "|", infty: "∞",
    approx: "≈", nabla: "∇", sum: "Σ", int: "∫", sqrt: "√", to: "→", "|": "‖",
  };
  const readable = (tex) =>
    tex
      .replace(/\\(?:[,;:!> ]|\\)/g, " ")
      .replace(/\\([A-Za-z]+|\|)/g, (all, name) => GREEK[name] ?? (/^(?:log|exp|min|max|KL)$/.test(name) ? name : ""))
      .replace(/[{}&]/g, "")
      .replace(/\s+/g, " ");
  const toText = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const formula of page.querySelectorAll(".math"))
      formula.textContent = readable(formula.dataset.tex);
    for (const gone of page.querySelectorAll(
      ".bd-header-article, #jb-print-docs-body, svg, nav, .bd-sidebar-secondary, .prev-next-footer, .bd-footer-content",
    ))
      gone.remove();
    return toText(page.documentElement.outerHTML, anchor);
  };
}
