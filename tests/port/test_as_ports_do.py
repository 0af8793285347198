"""Every mistake that ports make is among the hypotheses, and one that moves nothing is never named."""

import shlex
from functools import cache

import pytest
import torch

from tests.port.as_ports_do import AS_PORTS_DO, lines_of
from trace_audit.port import trials
from trace_audit.port.changes import Change, Variant
from trace_audit.port.hypotheses import Hypothesis, all_hypotheses
from trace_audit.port.judge import OF_THE_IMAGE, PIXEL_KEYS, Judge, Target
from trace_audit.port.our_program import OurProgram, one_pixel, split_words
from trace_audit.port.pairs import most_promising
from trace_audit.port.two_images import Distance
from trace_audit.stages.intervene import watched_trace
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames
from trace_audit.trace.tolerances import relative_tolerance

PIXEL = (15, 6)
PAIRS = ("pair_of_flags", "pair_in_the_trace")
IMAGE = Target(True, frozenset(OF_THE_IMAGE))


@cache
def case(name: str) -> tuple[OurProgram, Judge]:
    """Our program, and the judge of a port with one mistake that prints all keys, to the tolerance."""
    mistake = AS_PORTS_DO[name]
    ours = OurProgram(tuple(shlex.split(mistake.flags)), PIXEL)
    log = read_foreign_lines([f"{line}\n".encode() for line in lines_of(mistake, PIXEL)], KeyNames())
    return ours, Judge(log.trace, lambda _: relative_tolerance(), None, Distance(0.0, 0.0, 0.0), ours.trace())


def both(ours: OurProgram, judge: Judge, variant: Variant) -> dict[str, bool]:
    """What agrees, of the pixel and of the trace."""
    of_trace = judge.agreement(ours, variant, Target(False, frozenset()))[0]
    return {**of_trace, **judge.agreement(ours, variant, IMAGE)[0]}


def hypotheses(ours: OurProgram) -> list[Hypothesis]:
    from nanobragg_tables import defects, resolve_defects

    active = resolve_defects("default")
    known = [(defect.name, defect.name in active) for defect in defects() if defect.torch]
    return all_hypotheses(ours.variant, split_words(ours.words), known)


@pytest.mark.parametrize("name", [name for name in AS_PORTS_DO if name not in PAIRS])
def test_the_mistake_is_among_the_hypotheses_and_explains_all(name):
    ours, judge = case(name)
    before = both(ours, judge, ours.variant)
    assert not all(before.values()), "our program as it is does not give these numbers"
    told = [h for h in hypotheses(ours) if AS_PORTS_DO[name].told in h.sentence]
    assert told, f"no hypothesis says {AS_PORTS_DO[name].told!r}"
    best = max((both(ours, judge, h.variant) for h in told), key=lambda agreed: sum(agreed.values()))
    wrong = [key for key, agrees in best.items() if not agrees]
    assert not wrong


def search(name: str, tried: list[Hypothesis], monkeypatch, *, about_image: bool = False) -> trials.Findings:
    """A search among a few hypotheses; those of a pair's second half as the first half's command line has them."""
    ours, judge = case(name)
    names = {h.name for h in tried}
    made = all_hypotheses

    def few(base, flags, defects, **options):
        known = made(base, flags, defects, **options)
        own = [h for h in tried if h.name not in {hypothesis.name for hypothesis in known}]
        return [h for h in [*known, *own] if h.name in names]

    monkeypatch.setattr(trials, "all_hypotheses", few)
    differing = frozenset(key for key, agrees in both(ours, judge, ours.variant).items() if not agrees)
    target = IMAGE if about_image else Target(False, differing - set(PIXEL_KEYS))
    return trials.search(ours, judge, target, 600.0)


def test_what_moves_nothing_is_never_named(monkeypatch):
    ours, _ = case("pair_of_flags")
    nothing = Change("nothing", "nothing is changed", (), {"hkl": lambda value, _: value})
    idle = [
        Hypothesis("nothing", "nothing is changed", ours.variant.with_change(nothing)),
        Hypothesis("same words", "the words are the same", Variant(ours.words)),
    ]
    for about_image in (False, True):
        outcome = search("pair_of_flags", idle, monkeypatch, about_image=about_image)
        assert outcome.trials >= 2 and not outcome.explanations and not outcome.suspects


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "pair_of_flags",
            ("-flux 1000 times too large", "-exposure ignored", "-beamsize read in metres", "no polarization"),
        ),
        (
            "pair_in_the_trace",
            ("defect nominal_cell_volume off", "reciprocal axes printed turned", "-osc ignored", "axes a b exchanged"),
        ),
    ],
)
def test_two_changes_of_which_neither_counts_alone(name, parts, monkeypatch):
    ours, _ = case(name)
    few = [h for h in hypotheses(ours) if h.name in parts]
    assert len(few) == len(parts)
    outcome = search(name, few, monkeypatch)
    [explanation] = outcome.explanations
    for part in parts[:2]:
        [single] = [h for h in few if h.name == part]
        assert single.sentence in explanation.hypothesis.sentence
        assert not search(name, [single], monkeypatch).explanations, "alone it gives none of the port's numbers"
    assert not [h for h in few if h.name in parts[2:] and h.sentence in explanation.hypothesis.sentence]


def test_a_pixel_that_is_off_by_a_plain_factor_shows_no_cause(monkeypatch):
    """Twice the pixel: no steps of the spindle, no 1/2 of the polarization and others give that; none is named."""
    from dataclasses import replace

    ours, judge = case("flag_ignored")
    pixel = {key: rows for key, rows in judge.base.records.items() if key in PIXEL_KEYS}
    twice = {
        key: {place: replace(record, values=(2.0 * float(record.values[0]),)) for place, record in rows.items()}
        for key, rows in pixel.items()
    }
    off = replace(judge, port=replace(judge.base, records=twice))
    outcome = trials.search(ours, off, IMAGE, 600.0)
    assert not outcome.explanations
    assert "polarization lacks its factor 1/2" in outcome.suspects and len(outcome.suspects) > 1


def test_pairs_are_tried_in_the_order_of_what_they_promise():
    base, aim = (1.0, 2.0, 3.0), (2.0, 2.0, 9.0)
    alone = {"a": (2.0, 2.0, 3.0), "b": (1.0, 2.0, 9.0), "c": (1.0, 5.0, 3.0), "still": base, "as a": (2.0, 2.0, 3.0)}
    ranked = most_promising(list(alone.items()), base, aim, 10)
    assert ranked[0] == ("a", "b")
    assert not {"still", "as a"} & {name for pair in ranked for name in pair}


def test_every_flag_is_dropped_and_read_in_other_units_however_it_is_spelled():
    line = (
        "-cell 70 80 90 85 95 105 -wavelength 1 -distance 90 -detpixels_x 8 -N 5 -default_F 9 -xtal_size 0.1 -energy 1"
    )
    flags = split_words(shlex.split(line))
    names = [h.name for h in all_hypotheses(Variant(tuple(shlex.split(line))), flags, [])]
    ignored = {name.split()[0] for name in names if name.endswith(" ignored")}
    assert ignored == {"-wavelength", "-distance", "-N", "-xtal_size", "-energy"}
    read = {name.split()[0] for name in names if " read in " in name or "too large" in name}
    assert {"-wavelength", "-distance", "-xtal_size", "-energy", "-cell"} <= read
    assert len(names) == len(set(names)), "each has a name of its own"


@pytest.mark.parametrize("first", ["scattering_vec_A_inv", "hkl_frac"])
def test_arithmetic_in_float32_from_a_stage_on_is_told_by_the_printed_numbers(first):
    """Every value moved by some units of float32, as arithmetic does, and printed as float32 numbers."""
    import random

    import numpy as np

    from trace_audit.compare.gaps import ancestors
    from trace_audit.port.audit import audit_port
    from trace_audit.port.findings import PortCase
    from trace_audit.trace.keys import registry

    ours, source = OurProgram(tuple(shlex.split(AS_PORTS_DO["polar_twice"].flags)), PIXEL), random.Random(5)

    def visit(key, _context, values):
        if registry()[key].kind in ("word", "integer") or not (key == first or first in ancestors(key)):
            return None
        return [float(np.float32(v * (1.0 + source.uniform(-1.0, 1.0) * 2.0**-23))) for v in values]

    single_pixel = one_pixel(ours.base, PIXEL)
    lines = watched_trace(single_pixel, PIXEL, device="cpu", dtype=torch.float64, visit=visit)
    log = read_foreign_lines([f"{line}\n".encode() for line in lines], KeyNames())
    audited = audit_port(PortCase("mine", log, None), ours, budget_s=0)
    assert audited.precision.name == "float64" and audited.causes, "most of its numbers are those of doubles"
    told = {cause.explanation for cause in audited.causes}
    assert told == {f"it computes in float32 from {first} on, as its printed numbers show"}
