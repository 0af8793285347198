"""A comparison as plain data: the content of `compare_scaling_traces.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from trace_audit.compare.blame import Blame, Root
from trace_audit.compare.comparison import SIDES, Comparison, Component, Factor
from trace_audit.compare.known_defects import Attribution
from trace_audit.compare.substitute import TO_BLAME, Proof
from trace_audit.compare.suggestions import suggestions
from trace_audit.trace import tolerances


def verdict(
    comparison: Comparison, blame: Blame, attribution: Attribution | None, proofs: Sequence[Proof] = ()
) -> dict[str, Any]:
    """The comparison as JSON-ready data. `attribution` None and no `proofs`: no re-trace was possible."""
    worst = comparison.worst
    return {
        "status": "pass" if comparison.passed else "fail",
        "summary": summary_sentence(comparison, blame, attribution, proofs),
        "root_causes": blame.root_keys,
        "attribution": list(attribution.defects) if attribution else [],
        "sides": {"reference": comparison.names[0], "candidate": comparison.names[1]},
        "context_differs": blame.context_keys,
        "first_divergence": _location(comparison, blame.first) if blame.first else None,
        "worst": _location(comparison, worst) if worst else None,
        "tolerance_relative": tolerances.relative_tolerance(),
        "tolerances_sha256": tolerances.file_sha256(),
        "counts": _counts(comparison),
        "problems": [{"side": side, **asdict(problem)} for side in SIDES for problem in comparison.problems[side]],
        "only_in_c": comparison.alone["c"],
        "only_in_py": comparison.alone["py"],
        "roots": [_root(comparison, root) for root in blame.roots],
        "suggestions": suggestions(comparison, (*blame.roots, *blame.context)),
        "substitution": [_proof(comparison, proof) for proof in proofs],
        "substitution_note": "",
        "attribution_trials": _trials(attribution),
        "multiply_back": {side: _identities(comparison, side) for side in SIDES},
        "factors": [row for factor in comparison.factors for row in _rows(comparison, factor)],
    }


def _root(comparison: Comparison, root: Root) -> dict[str, Any]:
    """One key at which the sides part, and what follows from it."""
    follows = {name: list(getattr(root, name)) for name in ("downstream", "chain", "suspects")}
    return {**_location(comparison, root.factor), **follows}


def _trials(attribution: Attribution | None) -> dict[str, Any]:
    """Known defects that were switched, and those that restore agreement."""
    explanations = attribution.explanations if attribution else ()
    return {
        "tried": attribution.trials if attribution else 0,
        "explanations": [{**asdict(trial), "sentence": trial.sentence()} for trial in explanations],
    }


def place_text(label: dict[str, int]) -> str:
    """A context label as text: the phi step, and every index that is not the first."""
    reasons = []
    if label.get("layer"):
        reasons.append(f"layer {label['layer']}")
    if label.get("sub_slow") or label.get("sub_fast"):
        reasons.append(f"sub-pixel ({label['sub_slow']}, {label['sub_fast']})")
    if label.get("block"):
        reasons.append(f"sub-pixel number {label['block']}")
    if label.get("source"):
        reasons.append(f"source {label['source']}")
    if "phi_tic" in label:
        reasons.append(f"phi step {label['phi_tic']}")
    if label.get("mosaic_domain"):
        reasons.append(f"mosaic domain {label['mosaic_domain']}")
    return ", ".join(reasons)


def _proof(comparison: Comparison, proof: Proof) -> dict[str, Any]:
    """One proof by substitution: the key, the value its stage returns, and the parents with the scenario's values."""
    row = {
        "key": proof.factor.key.name,
        "stage": proof.factor.key.stage,
        "verdict": proof.verdict,
        "where": _where(comparison, proof.factor),
        "contexts": proof.contexts,
        "untraced_parents": list(proof.untraced_parents),
        "c": None,
        "stage_gives": None,
        "relative_difference": proof.relative_difference,
    }
    if proof.fed is not None:
        worst = max(proof.fed.components, key=lambda component: (not component.agrees, component.relative_difference))
        row |= {"component": worst.name, "c": worst.c, "stage_gives": worst.py}
    return row


def summary_sentence(
    comparison: Comparison, blame: Blame, attribution: Attribution | None, proofs: Sequence[Proof] = ()
) -> str:
    """The verdict in one sentence."""
    worst, both = comparison.worst, " and ".join(comparison.names)
    if comparison.passed and worst is not None:
        return (
            f"{both} agree on all {len(comparison.factors)} factors: the worst relative difference is "
            f"{worst.relative_difference:.1e} in {_where(comparison, worst)}."
        )
    if blame.roots:
        return _divergence_sentence(comparison, blame, attribution, proofs)
    for side in SIDES:
        if comparison.problems[side]:
            count = len(comparison.problems[side])
            more = f" ({count - 1} more)" if count > 1 else ""
            return (
                f"The {comparison.name_of(side)} log cannot be trusted: {comparison.problems[side][0].message}{more}."
            )
    for side in SIDES:
        for identity in comparison.identities[side]:
            if not identity.holds:
                return (
                    f"The {comparison.name_of(side)} log contradicts itself: {identity.name} is off by "
                    f"{identity.relative_difference:.1e}."
                )
    if blame.context:
        where = ", ".join(_where(comparison, root.factor) for root in blame.context)
        return f"{both} differ in {where}, and in nothing that the pixel is computed from."
    return "The two logs have no key in common."


def _divergence_sentence(
    comparison: Comparison, blame: Blame, attribution: Attribution | None, proofs: Sequence[Proof]
) -> str:
    first = blame.roots[0].factor
    also = [name for name in blame.root_keys if name != first.key.name]
    after = {name for root in blame.roots for name in root.downstream}
    text = (
        f"{' and '.join(comparison.names)} part at {_where(comparison, first)}: "
        f"relative difference {first.relative_difference:.1e}, allowed {tolerances.relative_tolerance():.0e}"
    )
    text += f"; also at {', '.join(also)}" if also else ""
    text += f"; {len(after)} keys follow from it" if after else "; nothing follows from it"
    more = [proof.factor.key.name for proof in proofs if proof.verdict == TO_BLAME]
    more = [name for name in more if name not in (*blame.root_keys, *blame.context_keys)]
    text += f"; by substitution also to blame: {', '.join(more)}" if more else ""
    if blame.context:
        text += f"; {', '.join(blame.context_keys)}, from which no pixel is computed, too"
    if attribution and attribution.explanations:
        text += f"; {attribution.explanations[0].sentence()}"
    return text + "."


def _where(comparison: Comparison, factor: Factor) -> str:
    label = place_text(comparison.label(factor.key, factor.context))
    return factor.key.name + (f" ({label})" if label else "")


def _location(comparison: Comparison, factor: Factor) -> dict[str, Any]:
    component = max(factor.components, key=lambda c: (not c.agrees, c.relative_difference))
    return {
        "key": factor.key.name,
        "component": component.name,
        "context": comparison.label(factor.key, factor.context),
        "where": _where(comparison, factor),
        "c": component.c,
        "py": component.py,
        "absolute_difference": component.absolute_difference,
        "relative_difference": component.relative_difference,
    }


def _counts(comparison: Comparison) -> dict[str, int]:
    judged = [factor for factor in comparison.factors if factor.key.compared]
    return {
        "factors": len(comparison.factors),
        "keys": len({factor.key.name for factor in comparison.factors}),
        "compared": len(judged),
        "diverging": len(comparison.diverging),
        "problems": sum(map(len, comparison.problems.values())),
        "identities": sum(map(len, comparison.identities.values())),
    }


def _identities(comparison: Comparison, side: Any) -> list[dict[str, Any]]:
    """Each identity once, with its worst instance and the number of instances."""
    rows: dict[str, dict[str, Any]] = {}
    for identity in comparison.identities[side]:
        row = rows.get(identity.name)
        if row is None:
            row = rows[identity.name] = {**asdict(identity), "instances": 0}
        elif identity.relative_difference > row["relative_difference"]:
            row.update(asdict(identity))
        row["instances"] += 1
    return list(rows.values())


def _rows(comparison: Comparison, factor: Factor) -> list[dict[str, Any]]:
    label = comparison.label(factor.key, factor.context)
    return [_row(factor, component, {**label}) for component in factor.components]


def _row(factor: Factor, component: Component, label: dict[str, int]) -> dict[str, Any]:
    informative = not factor.key.compared
    return {
        "key": factor.key.name,
        "component": component.name,
        "context": label,
        "unit": factor.key.unit,
        "c": component.c,
        "py": component.py,
        "absolute_difference": component.absolute_difference,
        "relative_difference": component.relative_difference,
        "tolerance": 0.0 if factor.key.kind in ("word", "integer") else tolerances.relative_tolerance(),
        "floor": factor.floor,
        "verdict": "informative" if informative else "pass" if component.agrees else "fail",
    }
