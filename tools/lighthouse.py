"""Asks Lighthouse what it says of the built pages.

``python -m tools.lighthouse [PAGES…]`` serves ``_build/html`` compressed, as
hosts do, shows each page in Chromium as a desktop and as a phone, and writes
Lighthouse's scores, the first paint and the bytes of the page into
``results/lighthouse.json``. The network and the processor are slowed down by
calculation (``simulate``). How fast this machine is still counts, so run it
while it does nothing else; ``load`` says how many processes wanted each core.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tools.address import ROOT
from tools.census import CensusError, find_browser
from tools.notebooks import write_text

COMMAND = "python -m tools.lighthouse"
SITE = ROOT / "_build" / "html"
RESULTS = ROOT / "results" / "lighthouse.json"
VERSION = "12.8.2"
PAGES = (
    "book/intro",
    "book/elbo",
    "notebooks/02_mlp_vae",
    "notebooks/06_convolutional_vae",
)
DEVICES = {"desktop": ["--preset=desktop"], "phone": []}
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PATIENCE = 400  # seconds for one page
COMPRESSED = (".css", ".html", ".js", ".json", ".svg", ".txt", ".xml")


class LighthouseError(RuntimeError):
    """What stands in the way, and what to do."""


def find_lighthouse() -> str:
    """Lighthouse's program.

    Raises:
        LighthouseError: it is not there, or Node is not, on which it runs.
    """
    missing = [n for n in ("node", "lighthouse") if shutil.which(n) is None]
    if missing:
        raise LighthouseError(
            f"No {' and no '.join(missing)} found: install Node 20 or newer, "
            f"and then Lighthouse by `npm install --global "
            f"lighthouse@{VERSION}`."
        )
    return shutil.which("lighthouse")


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The site's address on this machine, while it is served compressed."""

    @cache
    def compressed(path: Path) -> bytes:
        return gzip.compress(path.read_bytes())

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # one connection for many files

        def __init__(self, *given):
            super().__init__(*given, directory=str(site))

        def do_GET(self):
            path = Path(self.translate_path(self.path))
            accepted = self.headers.get("Accept-Encoding", "")
            asked = path.suffix in COMPRESSED and "gzip" in accepted
            if not (asked and path.is_file()):
                return super().do_GET()
            content = compressed(path)
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(str(path)))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def measure(program: str, browser: str, url: str, device: str) -> dict:
    """Lighthouse's whole report of a page.

    Raises:
        LighthouseError: it gave none, or not in time.
    """
    flags = "--headless=new --no-sandbox --disable-gpu"
    command = [
        program,
        url,
        *DEVICES[device],
        "--quiet",
        "--output=json",
        "--throttling-method=simulate",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--max-wait-for-load={1000 * PATIENCE // 2}",
        f"--chrome-flags={flags}",
    ]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            env={**os.environ, "CHROME_PATH": browser},
        )
    except subprocess.TimeoutExpired:
        raise LighthouseError(
            f"Lighthouse did not finish {url} within {PATIENCE} seconds: "
            "run it while the machine does nothing else."
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-400:]
        raise LighthouseError(f"Lighthouse could not show {url}: {said}")
    return json.loads(done.stdout)


def scores(report: dict) -> dict[str, object]:
    """What one wants to know of a report.

    Scores are out of 100; seconds are those of the slowed-down device; bytes
    came over the network, compressed. ``below`` names the audits that cost
    accessibility, best practices or SEO something.

    Raises:
        LighthouseError: the page could not be shown, so nothing was measured.
    """
    if error := report.get("runtimeError"):
        raise LighthouseError(
            f"Lighthouse could not show the page: {error['message']}"
        )
    audits, found = report["audits"], {}
    for name in CATEGORIES:
        found[name] = round(100 * report["categories"][name]["score"])
    paint = audits["first-contentful-paint"]["numericValue"]
    largest = audits["largest-contentful-paint"]["numericValue"]
    blocked = audits["total-blocking-time"]["numericValue"]
    found["first_paint"] = round(paint / 1000, 2)
    found["largest_paint"] = round(largest / 1000, 2)
    found["blocked"] = round(blocked / 1000, 2)
    found["bytes"] = int(audits["total-byte-weight"]["numericValue"])
    found["below"] = sorted(
        each["id"]
        for name in CATEGORIES[1:]
        for each in report["categories"][name]["auditRefs"]
        if each["weight"] and audits[each["id"]]["score"] not in (None, 1)
    )
    return found


def load() -> float:
    """How many processes wanted each core in the last minute."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)


def line(page: str, device: str, found: dict[str, object]) -> str:
    """What one reads of a page."""
    shares = ", ".join(f"{name} {found[name]}" for name in CATEGORIES)
    below = found["below"]
    lost = f"; lost by {', '.join(below)}" if below else ""
    return (
        f"{page}, {device}: {shares}; first paint {found['first_paint']} s, "
        f"{found['bytes'] / 1000:,.0f} kB, load {found['load']}{lost}"
    )


def remember(
    page: str, device: str, result: dict, version: str, path: Path = RESULTS
) -> None:
    """Writes a page's result into the file; those of others stay."""
    pages = {}
    if path.is_file():
        pages = json.loads(path.read_text("utf-8"))["pages"]
    pages.setdefault(page, {})[device] = result
    content = {
        "command": COMMAND,
        "lighthouse": version,
        "throttling": "simulate",
        "pages": pages,
    }
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """``python -m tools.lighthouse [PAGES…]``."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("pages", nargs="*", default=PAGES)
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    try:
        program, browser = find_lighthouse(), find_browser()
        for page in options.pages:
            if not (options.site / f"{page}.html").is_file():
                raise LighthouseError(
                    f"{page}.html is not in {options.site}: run `make book` "
                    "first."
                )
    except (LighthouseError, CensusError) as error:
        sys.exit(str(error))
    failed = []
    with served(options.site) as address:
        for page in options.pages:
            for device in DEVICES:
                url = f"{address}/{page}.html"
                try:
                    report = measure(program, browser, url, device)
                    result = {**scores(report), "load": load()}
                except LighthouseError as error:
                    failed.append(f"{page}, {device}: {error}")
                    continue
                print(line(page, device, result), flush=True)
                version = report["lighthouseVersion"]
                remember(page, device, result, version, options.results)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
