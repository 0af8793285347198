"""The report as text, then in a headless Chromium: complete, usable, and never taken in by what it shows."""

import html
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.audit.test_ledger import bad_record, make_audit, record_attempt
from trace_audit.errors import run_command
from trace_audit.files import write_atomic
from trace_audit.ledger import main as ledger
from trace_audit.overview import packed
from trace_audit.report.__main__ import main as report
from trace_audit.report.audits import bar_percent

HOSTILE = "x\"'><img src=x onerror=window.pwned=1><script>window.pwned=1<:script>{{7*7}}"
CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium"))


def write_patch(folder, difference=0.0, **changes):
    c = [[float(100 * s + f) for f in range(20)] for s in range(10)]
    py = [[value + difference for value in row] for row in c]
    patch = {"first_slow_fast": [680, 1030], "failure": None, "c": c, "py": py, **changes}
    write_atomic(folder / "patch.json", json.dumps(patch))


def write_overview(results, scenario, **changes):
    """A whole image of 100 x 120 pixels, made small by blocks of 5 x 5."""
    c = np.arange(20.0 * 24.0).reshape(20, 24)
    ring = {"radius_pixels": [5.0, 15.0, 25.0], "mean_photons": [3.0, 2.0, 1.0]}
    about = {"scenario": scenario, "device": "cpu", "dtype": "float64", "failure": None, "shape_slow_fast": [100, 120]}
    about |= {"block_pixels": 5, "c": packed(c), "py": packed(c + 1), "difference": packed(c * 0 + 1)}
    about |= {"peak_photons": 479.0, "peak_slow_fast": [99, 119], "worst_difference_photons": 1.0}
    about |= {"worst_slow_fast": [1, 2], "worst_of_peak": 0.002, "beam_centre_slow_fast": [50.5, 60.25]}
    about |= {"profiles": {"c": ring, "py": ring}, **changes}
    name = f"report/images/{len(list(results.glob('report/images/*')))}_cpu_float64.json"
    write_atomic(results / name, json.dumps(about))


def write_other_results(results):
    """One result of each kind, some failed, one of a kind that nobody knows, all with hostile text in them."""
    image = {"status": "fail", "scenario": HOSTILE, "device": "cpu", "dtype": "float64", "shape_slow_fast": [4, 5]}
    image |= {"worst_difference_of_peak": 0.5, "tolerance_relative": 1e-6, "root_causes": ["polar"], "summary": "no"}
    write_atomic(results / "odd/images/cpu_float64/image_parity.json", json.dumps(image))
    injection = {"as_expected": False, "key": HOSTILE, "component": 0, "case": "a", "status": "pass", "roots": []}
    selftest = {"injections": [injection], "not_separable": {"k": HOSTILE}, "untested": [], "keys": 2, "numbers": 3}
    selftest |= {"as_expected": 2, "loud_relative_error": 1e-3, "quiet_relative_error": 1e-9}
    write_atomic(results / "selftest/selftest.json", json.dumps(selftest))
    row = {"parameter": HOSTILE, "status": "pass", "best_agreement_of_peak": 1e-9, "fitted_slope": 2.0}
    gradients = {"scenario": "g", "parameters": [{**row, "stages_to_blame": [], "reason": None}]}
    write_atomic(results / "gradients/g/gradients.json", json.dumps(gradients))
    value = {"name": HOSTILE, "true": 1.0, "start_off": 0.1, "off_sigma": None}
    refinement = {"status": "pass", "reasons": [], "seconds": 3.0, "parameters": [value]}
    write_atomic(results / "refinement/demo/verdict.json", json.dumps(refinement))
    shard = {"name": HOSTILE, "status": "fail", "frames": 10, "where": {"folder": HOSTILE}}
    campaign = {"status": "fail", "summary": f"a shard of {HOSTILE}", "shards": [shard], "frames": 20, HOSTILE: None}
    write_atomic(results / "campaign/first/summary.json", json.dumps(campaign))
    write_atomic(results / "campaign/odd/summary.json", json.dumps([1, 2]))
    write_atomic(results / "campaign/broken/summary.json", "{")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four audits: two that pass, one that fails, one with a hostile name; the first attempted twice."""
    folder = tmp_path_factory.mktemp("report of Ångström") / "results"
    audits = [make_audit(folder), make_audit(folder), make_audit(folder, dtype="float32"), bad_record(folder, "wrong")]
    audits.append(make_audit(folder, scenario=HOSTILE))
    for audit in audits:
        write_patch(audit, difference=1.0 if "wrong" in str(audit) else 0.0)
    write_patch(audits[-1], failure=f"the C program said {HOSTILE}")
    write_overview(folder, "tiny")
    write_overview(folder, "wrong", profiles=None, beam_centre_slow_fast=None)
    write_overview(folder, HOSTILE, failure=f"the C program said {HOSTILE}")
    write_overview(folder, "not audited any more")
    write_other_results(folder)
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
    statuses = re.findall(r'<article class="audit card" id="audit-\d+" data-status="(\w+)"', text)
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


def test_whole_images_of_the_audited_scenarios_are_shown_and_no_others(text):
    assert "100 × 120 pixels (slow × fast), torch on cpu in float64" in text
    assert text.count('<section class="card" aria-labelledby="image-') == 3
    assert "Radial profile about the beam centre, (50.50, 60.25) pixels" in text and "the beam does not meet" in text
    assert "not audited any more" not in text


def test_every_other_result_has_a_section_with_its_verdict(text):
    found = re.findall(r'<h2 id="other-\d+">(?:<span class="(\w+)">\w+</span> )?([^<]+)</h2>', text)
    assert found == [
        ("fail", "Whole images"),
        ("fail", "The audit, audited"),
        ("pass", "Gradients"),
        ("pass", "Refinement: demo"),
        ("", "campaign: broken"),
        ("fail", "Campaign: first"),
        ("", "Campaign: odd"),
    ]
    assert "line 1 is not JSON" in text and "1 of 1 whole images do not agree" in text
    assert 'Scaling audit: <span class="fail">' in text


def test_each_number_says_how_it_is_made_again(text):
    for command in ("trace_audit rerun 5", "make parity", "make audit-selftest", "snakemake gradients"):
        assert command in text
    assert "r_e^2" in html.unescape(text)  # a formula of the registry, beside its key


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
    assert opened.locator("article h3", has_text="<img src=x onerror=window.pwned=1>").count() == 1


def test_the_filter_picks_audits_and_keys(opened):
    opened.fill("#words", "wrong")
    assert opened.locator(".audit:visible").count() == 1
    opened.fill("#words", "tiny polar")
    assert opened.locator(".audit:visible").count() == 2
    keys = opened.locator("tr[data-key]:visible").evaluate_all("rows => rows.map(row => row.dataset.key)")
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
    image = opened.locator("section", has=opened.locator("h3", has_text="tiny"))
    image.locator("canvas[data-side=c]").focus()
    opened.keyboard.press("ArrowRight")  # the traced pixel lies beyond this small image
    image.locator("canvas[data-side=c]").hover(position={"x": 1, "y": 1})
    assert image.locator(".readout").text_content() == (
        "slow 0 to 4, fast 0 to 4: brightest in C 0, in torch 1, largest difference 1.00"
    )


def test_the_traced_pixel_is_marked(opened):
    colours = opened.locator(".audit[data-status=fail] canvas[data-side=c]").evaluate(
        """one => {
            const cells = one.width / 20, data = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;
            const at = (slow, fast) => [...data.slice(4 * (slow * one.width + fast)).slice(0, 3)];
            const half = Math.max(cells / 2 + 1.5, one.width / 60), slow = 5.5 * cells, fast = 9.5 * cells;
            return [at(Math.floor(slow - half), Math.floor(fast)), at(Math.floor(slow), Math.floor(fast))];
        }"""
    )
    assert colours[0][2] > 200 and colours[0][1] > 150 and colours[0][0] < 120  # the mark is light blue
    assert colours[1] != colours[0]


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
    opened.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.locator("details:not([open])").count() > 0
