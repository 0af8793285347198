"""The report in a headless Chromium: every audit shown, filter, zoom and read-out work, nothing is loaded or run."""

import os
import shutil
from pathlib import Path

import pytest

from tests.audit import logs
from tests.audit.test_ledger import bad_record, make_audit, record_attempt
from tests.report.conftest import write_overview, write_patch
from trace_audit.core.errors import run_command
from trace_audit.report.__main__ import main as report
from trace_audit.report.wording import short

CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium"))


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
    assert readout.text_content() == "slow 685, fast 1040: C 510, torch 511, difference 1"
    canvas.hover(position={"x": 1, "y": 1})
    assert readout.text_content().startswith("slow 680, fast 1030: C 0, torch 1")
    image = opened.locator("section", has=opened.locator("h3", has_text="tiny"))
    image.locator("canvas[data-side=c]").focus()
    opened.keyboard.press("ArrowRight")  # the traced pixel lies beyond this small image
    image.locator("canvas[data-side=c]").hover(position={"x": 1, "y": 1})
    assert image.locator(".readout").text_content() == (
        "slow 0 to 4, fast 0 to 4: brightest in C 0, in torch 1, largest difference 1"
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


@pytest.fixture(scope="module")
def ten_audits(tmp_path_factory):
    """Ten audits, three of which fail, two of these of one cause, and one more that is no longer in the config."""
    folder = tmp_path_factory.mktemp("ten") / "results"
    audits = [make_audit(folder, name) for name in ("a", "b", "c", "d", "e", "f", "g", "gone")]
    audits += [bad_record(folder, name) for name in ("wrong", "wrong_too")]
    audits.append(make_audit(folder, "other", torch_log=other_defects()))
    for audit in audits:
        write_patch(audit, difference=1.0 if "wrong" in str(audit) else 0.0)
        assert record_attempt(folder, audit) == 0
    for audit in audits:
        write_overview(folder, audit.parts[-3])
    counting = [str(audit.relative_to(folder)) for audit in audits if "gone" not in audit.parts]
    assert run_command(report, ["--results", str(folder), "--audits", *counting, "--images"]) == 0
    return folder


def other_defects():
    return [f"{line},phi_carryover" if " defects " in line else line for line in logs.lines("c_supervisor")]


@pytest.fixture
def ten(browser, ten_audits):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    page = context.new_page()
    page.goto((ten_audits / "report/index.html").as_uri())
    yield page
    context.close()


def test_ten_audits_are_six_screens_with_what_failed_first(ten):
    assert ten.evaluate("document.documentElement.scrollHeight") <= 6 * 900
    verdicts = ten.locator(".audit").evaluate_all("all => all.map(one => one.dataset.status)")
    assert verdicts == ["fail"] * 3 + ["pass"] * 7
    tops = [ten.locator(name).evaluate("part => part.getBoundingClientRect().top") for name in ("#audits", "#images")]
    assert tops == sorted(tops)
    assert "7 of 10 audits agree" in ten.locator(".lead").text_content()
    assert "1 that are no longer in the config do not count" in ten.locator(".lead").text_content()


def test_audits_of_one_cause_are_one_line_and_one_of_them_is_open(ten):
    lines = [" ".join(line.split()) for line in ten.locator(".causes li").all_text_contents()]
    assert len(lines) == 2 and lines[0].startswith("2 audits: polar. wrong, pixel (685, 1039)")
    assert lines[1].startswith("1 audit: defects +phi_carryover, from which no pixel is computed")
    assert ten.locator(".audit > details[open]").count() == 2
    rows = ten.locator(".audit").first.locator("tr[data-key]:visible")
    assert rows.evaluate_all("all => all.map(one => one.className)") == ["fail"] * rows.count() and rows.count() > 0


def test_a_link_opens_the_audit_that_it_leads_to(ten):
    closed = ten.locator(".audit > details:not([open])").first
    ten.evaluate("part => location.hash = part.closest('.audit').id", closed.element_handle())
    ten.wait_for_function("() => document.querySelector(location.hash + ' > details').open")


@pytest.mark.parametrize("width", [1440, 390])
def test_no_number_is_broken_over_lines(ten, width):
    ten.set_viewport_size({"width": width, "height": 900})
    ten.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    broken = ten.evaluate(
        """[...document.querySelectorAll('.n, .value')].filter(part => part.firstChild?.nodeType === 3).filter(part => {
            const range = document.createRange();
            range.selectNodeContents(part);
            return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
        }).map(part => part.textContent)"""
    )
    assert broken == []


def test_plots_are_dark_in_dark_mode(ten):
    ten.emulate_media(color_scheme="dark")
    assert "invert" in ten.locator(".plot img").first.evaluate("image => getComputedStyle(image).filter")
    middle = "one => [...one.getContext('2d').getImageData(2, 2, 1, 1).data].slice(0, 3)"
    canvas = ten.locator(".audit[data-status=pass] canvas[data-side=difference]").first
    assert sum(canvas.evaluate(middle)) < 100
    ten.emulate_media(color_scheme="light")
    assert sum(canvas.evaluate(middle)) > 600


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00000466, "4.7e-6"), (0.0379, "0.0379"), (466.2, "466"), (-2e-4, "-2.0e-4"), (0, "0"), (3.2e7, "3.2e7")],
)
def test_small_numbers_are_short(ten, value, text):
    assert ten.evaluate(f"short({value})") == text == short(value)
