"""The report as text: complete, self-contained, and safe against hostile content."""

import html
import re
import shutil
from html.parser import HTMLParser

from tests.report.conftest import HOSTILE
from trace_audit.core.errors import run_command
from trace_audit.report.__main__ import main as report
from trace_audit.report.audits import bar_percent


class Outline(HTMLParser):
    """Headings, ids and outward references of a page."""

    def __init__(self):
        super().__init__()
        self.headings, self.ids, self.references, self.images = [], [], [], []

    def handle_starttag(self, tag, attributes):
        attributes_of = dict(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in attributes_of:
            self.ids.append(attributes_of["id"])
        self.references += [attributes_of[name] for name in ("href", "src") if name in attributes_of]
        if tag == "img":
            self.images.append(attributes_of)


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
    text = re.sub(r'<span class="n">(.*?)</span>', r"\1", text)
    assert "100 × 120 pixels" in text and "0123456789abcdef</code>), the program that was audited" in text
    assert text.count('<section class="card image" aria-labelledby="image-') == 3
    assert "Radial profile about the beam centre, (50.50, 60.25) pixels" in text and "the beam does not meet" in text
    assert "not audited any more" not in text


def test_every_other_result_has_a_section_with_its_verdict(text):
    headings = re.findall(r'<h2 id="other-\d+">(?:<span class="(\w+)">\w+</span> )?([^<]+)</h2>', text)
    assert headings == [
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
