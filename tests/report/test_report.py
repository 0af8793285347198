"""The report as text, then in a headless Chromium: complete, usable, and never taken in by what it shows."""

import html
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.audit.test_ledger import bad_record, make_audit, record_attempt
from trace_audit.errors import run_command
from trace_audit.files import write_atomic
from trace_audit.ledger import main as ledger
from trace_audit.report import bar_percent
from trace_audit.report import main as report

HOSTILE = "x\"'><img src=x onerror=window.pwned=1><script>window.pwned=1<:script>{{7*7}}"
CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium"))


def write_patch(folder, difference=0.0, **changes):
    c = [[float(100 * s + f) for f in range(20)] for s in range(10)]
    py = [[value + difference for value in row] for row in c]
    patch = {"first_slow_fast": [680, 1030], "failure": None, "c": c, "py": py, **changes}
    write_atomic(folder / "patch.json", json.dumps(patch))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four audits: two that pass, one that fails, one with a hostile name; the first attempted twice."""
    folder = tmp_path_factory.mktemp("report of Ångström") / "results"
    audits = [make_audit(folder), make_audit(folder), make_audit(folder, dtype="float32"), bad_record(folder, "wrong")]
    audits.append(make_audit(folder, scenario=HOSTILE))
    for audit in audits:
        write_patch(audit, difference=1.0 if "wrong" in str(audit) else 0.0)
    write_patch(audits[-1], failure=f"the C program said {HOSTILE}")
    write_atomic(
        audits[0] / "key_graph.svg", '<svg xmlns="http://www.w3.org/2000/svg"><script>window.pwned=1</script></svg>'
    )
    for audit in audits:
        assert record_attempt(folder, audit) == 0
    assert run_command(ledger, ["seal", "--results", str(folder)]) == 0
    assert run_command(report, ["--results", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def text(results):
    return (results / "report/index.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Headings, ids and outward references of a page."""

    def __init__(self):
        super().__init__()
        self.headings, self.ids, self.references, self.images = [], [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in given:
            self.ids.append(given["id"])
        self.references += [given[name] for name in ("href", "src") if name in given]
        if tag == "img":
            self.images.append(given)


def outline(text):
    parser = Outline()
    parser.feed(text)
    return parser


def test_every_audit_is_listed_once_with_its_verdict(text):
    statuses = re.findall(r'<article class="audit" id="audit-\d+" data-status="(\w+)"', text)
    assert sorted(statuses) == ["fail", "pass", "pass", "pass"]
    assert 'Scaling audit: <span class="fail">fail</span>' in text and "3 of 4 audits agree" in text


def test_the_page_loads_nothing_and_its_links_lead_somewhere(results, text):
    page = outline(text)
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        elif not reference.startswith("data:"):
            assert (results / "report" / reference).is_file()
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert len(page.ids) == len(set(page.ids))
    assert all(later - earlier <= 1 for earlier, later in zip(page.headings, page.headings[1:], strict=False))
    assert page.headings.count(1) == 1 and all(image.get("alt") for image in page.images)


def test_hostile_values_are_escaped(text):
    assert HOSTILE in html.unescape(text)
    assert "<img src=x" not in text and "<script>window.pwned" not in text and "{{7*7}}" in text


def test_same_records_give_the_same_page(results, text):
    assert run_command(report, ["--results", str(results), "--out", str(results.parent / "again.html")]) == 0
    assert (results.parent / "again.html").read_text(encoding="utf-8") == text


def test_a_changed_artifact_is_told_on_the_page(results, tmp_path):
    copy = shutil.copytree(results, tmp_path / "results")
    (copy / "tiny/S685_F1039/c/c_trace_stdout.txt").write_text("other\n")
    assert run_command(report, ["--results", str(copy)]) == 0
    text = (copy / "report/index.html").read_text(encoding="utf-8")
    assert "The record and the files do not agree (1)" in text and "c_trace_stdout.txt: changed" in text


def test_nothing_to_report_on_is_one_line(tmp_path, capsys):
    (tmp_path / "audit/ledger").mkdir(parents=True)
    assert run_command(report, ["--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and "run make audit first" in error


def test_bars_are_logarithmic():
    assert [bar_percent(value) for value in (0.0, 1e-30, 1e-17, 1e-8, 10.0, 1e9)] == [0, 0, 0, 50, 100, 100]


# ---- in a browser


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no chromium on PATH; name one in CHROMIUM")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*flags, "--disable-component-update", "--disable-sync"]
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser, results):
    """The page, with everything it says on the console and asks of the network."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto((results / "report/index.html").as_uri())
    yield page
    blocked = [line for line in page.said if "key_graph" not in line]
    outward = [url for url in page.asked if not url.startswith(("file:", "data:"))]
    context.close()
    assert blocked == [] and outward == []


def test_all_audits_are_shown_and_hostile_ones_are_text(opened):
    assert opened.locator(".audit:visible").count() == 4
    assert opened.evaluate("window.pwned") is None
    assert opened.locator("h3", has_text="<img src=x onerror=window.pwned=1>").count() == 1


def test_the_filter_picks_audits_and_keys(opened):
    opened.fill("#words", "wrong")
    assert opened.locator(".audit:visible").count() == 1
    opened.fill("#words", "tiny polar")
    assert opened.locator(".audit:visible").count() == 2
    keys = opened.locator("tbody tr:visible").evaluate_all("rows => rows.map(row => row.dataset.key)")
    assert keys and all("polar" in key for key in keys)
    opened.fill("#words", "")
    opened.select_option("#verdict", "fail")
    assert opened.locator("#shown").text_content() == "1 of 4 audits shown"


def test_zoom_enlarges_all_three_and_keeps_the_traced_pixel_in_view(opened):
    audit = opened.locator(".audit[data-status=fail]")
    before = audit.locator(".frame canvas").evaluate_all("all => all.map(one => one.clientWidth)")
    for _ in range(2):
        audit.get_by_role("button", name="Larger").click()
    after = audit.locator(".frame canvas").evaluate_all("all => all.map(one => one.clientWidth)")
    assert [round(b / a) for a, b in zip(before, after, strict=True)] == [4, 4, 4]
    assert audit.locator(".frame").first.evaluate("frame => frame.scrollTop + frame.scrollLeft") > 0
    for _ in range(5):
        audit.get_by_role("button", name="Smaller").click()
    assert audit.locator(".frame canvas").first.evaluate("one => one.clientWidth") == before[0]


def test_pixels_are_read_out_by_mouse_and_by_keyboard(opened):
    audit = opened.locator(".audit[data-status=fail]")
    canvas = audit.locator("canvas[data-side=py]")
    canvas.focus()
    opened.keyboard.press("ArrowRight")
    readout = audit.locator(".readout")
    assert readout.text_content() == "slow 685, fast 1040: C 510, torch 511, difference 1.00"
    canvas.hover(position={"x": 1, "y": 1})
    assert readout.text_content().startswith("slow 680, fast 1030: C 0, torch 1")


def test_the_traced_pixel_is_marked(opened):
    red = opened.locator(".audit[data-status=fail] canvas[data-side=c]").evaluate(
        "one => [...one.getContext('2d').getImageData(9 * 5 - 1, 5 * 5 - 1, 1, 1).data]"
    )
    assert red[0] > 180 and red[1] < 120 and red[2] < 120


def test_it_works_by_keyboard_alone(opened):
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    opened.locator("summary").first.focus()
    was_open = opened.locator("details").first.evaluate("part => part.open")
    opened.keyboard.press("Enter")
    assert opened.locator("details").first.evaluate("part => part.open") is not was_open


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (380, "light"), (380, "dark")])
def test_no_sideways_scrolling_and_readable_contrast(opened, results, width, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    colours = opened.evaluate(
        "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
    )
    ink, paper = (sum(colour[:3]) for colour in colours)
    assert (ink - paper > 400) if scheme == "dark" else (paper - ink > 400)
    kept = Path(os.environ.get("REPORT_SCREENSHOTS", results.parent / "screenshots"))
    opened.screenshot(path=kept / f"report_{width}_{scheme}.png", full_page=True)
    assert (kept / f"report_{width}_{scheme}.png").stat().st_size > 10_000


def test_print_shows_everything_and_no_controls(opened):
    opened.emulate_media(media="print")
    opened.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("details:not([open])").count() == 0
    assert not opened.locator("#filter").is_visible() and opened.locator("tbody tr").first.is_visible()
