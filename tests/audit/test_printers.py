"""What both programs print, held against the registry: every key known, of the stated shape, in the stated order."""

import re
import subprocess
from functools import cache

import pytest

from nanobrag_torch.cli import parse
from nanobrag_torch.trace import trace_lines
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import is_trace_line, parse_trace

COMMON = """-cell 50 60 70 80 95 105 -misset 10 20 30 -N 5 -default_F 100 -lambda 1 -distance 100 -pixel 0.1
 -detpixels 24 -detector_rotx 3 -twotheta 6 -phi 1 -osc 2 -phisteps 2 -nonoise -nopgm"""
EXPERIMENTS = {
    "sample_pivot": "-xds -oversample 1",
    "beam_pivot_subpixels": "-oversample 2 -oversample_thick -oversample_polar -oversample_omega "
    "-detector_thick 300 -detector_abs 400 -detector_thicksteps 2",
    "many_sources_and_domains": "-pivot sample -mosaic 0.5 -mosaic_dom 3 -hdivrange 1 -hdivsteps 3 -dispersion 1 "
    "-dispsteps 2 -water 20 -oversample 1",
    "round": "-round_xtal -oversample 1",
    "gauss": "-gauss_xtal -mosaic 0.5 -mosaic_dom 2 -oversample 1",
    "tophat": "-tophat_spots -xds -oversample 1",
}
PLACES_IN_ORDER = ("run", "setup_sample", "setup_beam", "block", "orientation", "square", "end")
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"


@cache
def logs(binary, name):
    arguments = [*COMMON.split(), *EXPERIMENTS[name].split(), "-trace_pixel", "5", "7"]
    done = subprocess.run(
        [binary, *arguments], capture_output=True, text=True, timeout=60, check=True, cwd=binary.parent
    )
    c = [line for line in done.stdout.splitlines() if is_trace_line(line)]
    return c, list(trace_lines(parse(arguments).experiment, 5, 7))


def keys_in_order(lines):
    """Names of the first block's keys and of those outside blocks, as printed, each once."""
    names = (re.match(r"TRACE_(?:C|PY): ?([^\s=]+)", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in names if match))


@pytest.mark.parametrize("side", [0, 1], ids=["C", "torch"])
@pytest.mark.parametrize("name", EXPERIMENTS)
class TestPrinters:
    def test_every_line_parses_and_is_complete(self, c_binary, name, side):
        parsed = parse_trace(logs(c_binary, name)[side])
        assert parsed.problems == [] and parsed.ignored_lines == 0 and not parsed.historic

    def test_every_value_has_the_registered_shape(self, c_binary, name, side):
        for line in logs(c_binary, name)[side]:
            match = re.match(r"TRACE_(?:C|PY): ?([^\s=]+)(=| )(.*)", line)
            if match is None or match[1] in ("subpixel", "term"):
                continue
            key = registry()[match[1]]
            assert (match[2] == "=") == key.where.startswith("setup"), line
            if key.kind != "word":
                assert len(re.findall(rf"(?<![\w.]){NUMBER}(?![\w.])", match[3])) == key.size, line

    def test_keys_come_in_the_order_of_the_registry(self, c_binary, name, side):
        printed = keys_in_order(logs(c_binary, name)[side])
        for position in PLACES_IN_ORDER:
            names = [n for n in printed if n in registry() and registry()[n].where == position]
            assert names == [n for n in registry() if n in names], position


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_both_programs_print_the_same_keys_in_the_same_order(c_binary, name):
    c, torch = (
        [re.match(r"TRACE_(?:C|PY)(_PHI|:) ?([^\s=]+)", line).groups() for line in log] for log in logs(c_binary, name)
    )
    assert c == torch


def test_every_key_of_the_registry_is_printed_by_both_programs(c_binary):
    for side in (0, 1):
        seen = {key for name in EXPERIMENTS for key in parse_trace(logs(c_binary, name)[side]).records}
        assert seen == set(registry())
