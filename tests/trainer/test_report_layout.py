"""The page of an evaluation as a browser lays it out: on a phone, on a desk, and on paper."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from trainer.report_page import report_page

LONG = "Supercalifragilisticexpialidociousness"
UNBROKEN = "twelve-and-a-very-long-name-without-any-break".replace("-", "x")
NAMES = ["Klassik", LONG, UNBROKEN, *(f"a class of music, number {n}" for n in range(9))]
PHONE, DESK, PAPER = 390, 1280, 718  # CSS pixels; the last between the margins of an A4 page
FULL = 1000  # pixels of a printed page, and some
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

# The page itself runs no script: a page around it looks into its frames.
MEASURING = """<!DOCTYPE html><meta charset="utf-8"><body>%s<pre id="told"></pre><script>
addEventListener("load", () => {
  const told = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, all = (what) => [...page.querySelectorAll(what)];
    const lines = (one) => {
      const range = page.createRange();
      range.selectNodeContents(one);
      return new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size;
    };
    const [matrix, classes] = [".matrix", ".classes"].map((what) => {
      const scroll = page.querySelector(what).parentElement;
      return scroll.scrollWidth - scroll.clientWidth;
    });
    const caption = page.querySelector(".matrix caption span").getBoundingClientRect().bottom;
    told[frame.id] = {
      notes: all(".findings li").map((one) => one.scrollWidth - one.clientWidth),
      page: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      matrix: matrix,
      classes: classes,
      heads: all(".matrix thead span").map((o) => o.getBoundingClientRect().top - caption),
      short: all("tbody th, tbody td").filter((o) => o.textContent == "Klassik").map(lines),
      recalls: all(".matrix tbody td:last-child").map(lines),
    };
  }
  document.getElementById("told").textContent = JSON.stringify(told);
});
</script>"""

Browse = Callable[..., str]


def report() -> dict[str, Any]:
    row = dict.fromkeys(NAMES, 3) | {"Klassik": 100}
    return {
        "name": "layout",
        "accuracy": 50.0,
        "confusion_matrix": dict.fromkeys(NAMES, row),
        "per_class": {name: {"precision": 88.2, "recall": 88.2, "f1": 88.2} for name in NAMES},
        "recordings": ["a_recording_with_a_long_id_123456"],
        "actual": ["Klassik"],
        "predicted": [LONG],
        "probability": {"actual": [0.12], "predicted": [0.88]},
        "notes": [f"the class {UNBROKEN} has a name of one word"],
    }


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Browse:
    """Call a browser, if there is one, with a page and what to do with it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium to lay pages out")
    folder = tmp_path_factory.mktemp("browser")

    def call(content: str, *options: str) -> str:
        page = folder / "page.html"
        page.write_text(content)
        profile = f"--user-data-dir={folder / 'profile'}"
        command = [program, *QUIET, profile, *options, page.as_uri()]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=240
        ).stdout

    return call


@pytest.fixture(scope="module")
def measured(browse: Browse) -> Any:
    """What is measured of the page in windows of three widths, of which one is printed."""
    page = report_page(report())
    pages = {PHONE: page, DESK: page, PAPER: page.replace("@media print", "@media all")}
    frames = "".join(
        f'<iframe id="{width}" width="{width}" height="900" srcdoc="{escape(content)}"></iframe>'
        for width, content in pages.items()
    )
    told = re.search(r'<pre id="told">(.+?)</pre>', browse(MEASURING % frames, "--dump-dom"))
    assert told is not None
    return json.loads(unescape(told[1]))


@pytest.mark.parametrize("width", [PHONE, DESK, PAPER])
def test_long_names_stay_in_the_box_of_their_note_and_below_the_caption(
    measured: Any, width: int
) -> None:
    told = measured[str(width)]

    assert max(told["notes"]) <= 0
    assert min(told["heads"]) >= 0
    assert told["page"] <= 0


def test_tables_of_twelve_classes_are_not_scrolled_where_there_is_room(
    measured: Any,
) -> None:
    assert measured[str(DESK)]["matrix"] <= 0
    assert measured[str(PHONE)]["classes"] <= 0


def test_short_names_and_printed_recalls_are_not_broken(measured: Any) -> None:
    assert all(set(measured[str(width)]["short"]) == {1} for width in (PHONE, DESK, PAPER))
    assert measured[str(PAPER)]["recalls"] == [1] * len(NAMES)


def test_no_heading_is_printed_without_its_table_wherever_the_page_ends(
    browse: Browse, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext to read what was printed")
    page = report_page(report())
    sections = re.findall(
        r'<section aria-labelledby="(?:matrix|classes)">.*?</section>', page, flags=re.DOTALL
    )
    spaces = range(0, FULL, 50)
    copies = "".join(
        f'<div style="break-before: page; height: {space}px"></div>{section}'
        for section in sections
        for space in spaces
    )
    printed = tmp_path / "page.pdf"
    browse(
        re.sub(r"<main>.*</main>", lambda _: f"<main>{copies}</main>", page, flags=re.DOTALL),
        "--no-pdf-header-footer",
        f"--print-to-pdf={printed}",
    )

    told = subprocess.run(
        ["pdftotext", "-layout", printed, "-"], check=True, capture_output=True, text=True
    )
    for heading in ("What was taken for what", "Class by class"):
        headed = [text for text in told.stdout.split("\f") if heading in text]
        assert len(headed) == len(spaces)
        assert all("Klassik" in text for text in headed)
