"""The other checks, each a function of the evidence: floors, champion scored, schema, card, protected files."""

from __future__ import annotations

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate import callers
from gitops_ml.gate.evidence import Evidence, Player
from gitops_ml.gate.metrics import CONSTANT, LOWER_IS_BETTER, measure
from gitops_ml.gate.quality import quality, secondary, significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.slices import slices
from gitops_ml.gate.table import Table


def unseen(table: Table) -> list[Check]:
    """Test rows of a class that the model does not know: said only when there are some."""
    if not table.unseen:
        return []
    return [
        Check(
            id="rows/unseen",
            severity="needs-human",
            outcome="fail",
            title="Every class of the test rows was learnt",
            reason=f"{table.unseen} test rows are of classes that the model never saw: they were left out.",
            n=table.unseen,
        )
    ]


def floors(evidence: Evidence, table: Table, own: dict[str, float]) -> list[Check]:
    """What policy.yaml demands of each metric, by the predictions; a metric of the team's own by metrics.json."""
    checks = []
    for name, limit in evidence.policy.floors.items():
        reported = evidence.metrics.values.get(name)
        said = reported.value if reported else None
        value = significant(own.get(name, said))
        lower = name in LOWER_IS_BETTER
        words = "at most" if lower else "at least"
        enough = None if value is None else (value <= limit if lower else value >= limit)
        reason = (
            f"{name} is unknown: neither the predictions nor reports/metrics.json give it."
            if value is None
            else f"{name} is {value:.4g}, and policy.yaml asks for {words} {limit:.4g}."
        )
        if name in own and said is not None and abs(own[name] - said) > 1e-5 * max(1.0, abs(said)):
            reason += f" (reports/metrics.json says {said:.4g}; the predictions decide.)"
        checks.append(
            Check(
                id=f"floor/{name}",
                severity="block",
                outcome="unknown" if enough is None else "pass" if enough else "fail",
                title=f"{name} {words} {limit:.4g}",
                reason=reason,
                metric=name,
                challenger=value,
                estimate=value,
                threshold=limit,
                n=len(table.challenger.truth),
                evidence={"from": "predictions" if name in own else "reports/metrics.json"},
            )
        )
    return [*checks, _dummy(evidence, table, own)]


def _dummy(evidence: Evidence, table: Table, own: dict[str, float]) -> Check:
    """A model that ignores the columns must be beaten: by definition, whatever the report says of its dummy."""
    name = table.primary
    value = significant(own.get(name))
    dummy = significant(max(evidence.evaluation.dummy.get(name) or CONSTANT[name], CONSTANT[name]))
    assert dummy is not None
    if value is None:
        outcome, reason = "unknown", f"{name} is not defined on these test rows: {_why(evidence, name)}."
    else:
        outcome = "pass" if value > dummy else "fail"
        words = "better than" if value > dummy else "not better than"
        reason = (
            f"{name} is {value:.4g}: {words} {dummy:.4g}, which a model reaches that ignores the columns."
        )
    return Check(
        id="floor/dummy",
        severity="block",
        outcome=outcome,
        title="Better than guessing",
        reason=reason,
        metric=name,
        challenger=value,
        estimate=value,
        threshold=dummy,
        n=len(table.challenger.truth),
    )


def _why(evidence: Evidence, name: str) -> str:
    return evidence.evaluation.left_out.get(name) or "no reason was reported"


def against_champion(evidence: Evidence, table: Table, own: dict[str, float]) -> list[Check]:
    """The comparison, and whether it could be made; nothing for a first model."""
    champion = evidence.champion
    if champion is None:
        return []
    reason = "Its own code and environment predicted the same test rows."
    scored = Check(
        id="champion/scored",
        severity="needs-human",
        outcome="unknown" if table.trouble else "pass",
        title="The champion could be scored on these rows",
        reason=f"Not compared with {_name(champion)}: {table.trouble}" if table.trouble else reason,
    )
    if table.champion is None:
        return [scored]
    champions = Sample.of(table).champion
    other = measure(champions) if champions else {}
    return [
        quality(evidence, table, own, other),
        *secondary(evidence, table, own, other),
        *slices(evidence, table),
        scored,
    ]


def _name(player: Player) -> str:
    return player.side.version or player.side.sha256[:8]


def schema(evidence: Evidence) -> Check:
    """Whether callers would have to change, by both contracts and by what both models really answer."""
    found = callers.breaks(evidence.old_schema, evidence.new_schema) if evidence.old_schema else []
    found += [text for text in callers.answers(*_answers(evidence)) if text not in found]
    reason = "Rows and answers keep their form." if evidence.old_schema else "There is no earlier contract."
    if found:
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        reason = f"A merge would be a major version: {'; '.join(found[:3])}{more}."
    return Check(
        id="schema",
        severity=evidence.policy.contract,
        outcome="fail" if found else "pass",
        title="Callers need not change",
        reason=reason,
        evidence={"breaks": found} if found else {},
    )


def _answers(evidence: Evidence) -> tuple[dict[str, str], dict[str, str]]:
    """Column -> kind of what champion and challenger answer; empty where there is none to compare with."""
    sides = []
    for player in (evidence.champion, evidence.challenger):
        table = None if player is None else player.predictions
        sides.append({} if table is None else {str(name): kind.kind for name, kind in table.dtypes.items()})
    return sides[0], sides[1]


def card(evidence: Evidence) -> Check:
    """The card is there, names this model, and shows the figures that metrics.json shows."""
    found, model = evidence.card, evidence.challenger.side.sha256
    if found is None:
        wrong = "reports/model_card.json is missing"
    elif found.model.file.sha256 != model:
        wrong = f"reports/model_card.json is of model {found.model.file.sha256[:8]}, not of {model[:8]}"
    elif found.performance.n != evidence.metrics.n or {
        one.metric: one.value for one in found.performance.metrics
    } != {name: one.value for name, one in evidence.metrics.values.items()}:
        wrong = "reports/model_card.json and reports/metrics.json show different figures"
    else:
        wrong = ""
    return Check(
        id="card",
        severity="block",
        outcome="fail" if wrong else "pass",
        title="The model card is there, and is this model's",
        reason=f"{wrong}. Make it: gitops-ml card" if wrong else "It names this model and these figures.",
    )


def protected(evidence: Evidence) -> list[Check]:
    """Files that decide how a pull request is judged: said only when it changes some."""
    if not evidence.protected:
        return []
    names = ", ".join(evidence.protected[:5])
    more = f" and {len(evidence.protected) - 5} more" if len(evidence.protected) > 5 else ""
    return [
        Check(
            id="protected",
            severity="needs-human",
            outcome="fail",
            title="The rules are changed by people only",
            reason=f"This pull request changes {names}{more}; it was judged by the base branch's copies.",
            evidence={"files": list(evidence.protected)},
        )
    ]
