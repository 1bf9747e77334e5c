"""The judgement: a pure function of the evidence. No clock, no file, no network; equal evidence gives equal bytes."""

from __future__ import annotations

from gitops_ml.contracts.verdict import Check, Inputs, Overall, Verdict
from gitops_ml.gate import checks as check
from gitops_ml.gate.answers import answers
from gitops_ml.gate.baseline import baseline
from gitops_ml.gate.baseline import inputs as baseline_inputs
from gitops_ml.gate.budgets import size
from gitops_ml.gate.calibration import calibration
from gitops_ml.gate.clocks import MEASURED
from gitops_ml.gate.data import data
from gitops_ml.gate.evidence import Evidence, Forged
from gitops_ml.gate.fairness import fairness
from gitops_ml.gate.flips import flips
from gitops_ml.gate.gold import gold
from gitops_ml.gate.gold import inputs as gold_inputs
from gitops_ml.gate.leakage import leakage
from gitops_ml.gate.metrics import agrees, measure
from gitops_ml.gate.repeated import reproduction, reuse
from gitops_ml.gate.robustness import inputs as disturbed_inputs
from gitops_ml.gate.robustness import robustness
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table


def judge(evidence: Evidence) -> Verdict:
    """The verdict. Raises :class:`Forged` where reported figures are not those of the predictions."""
    table = Table.of(evidence)
    _as_reported(evidence, table)
    own = measure(Sample.of(table).rows)  # in an order of their own, so that ties weigh the same everywhere
    made = [
        *check.unseen(table),
        *check.floors(evidence, table, own),
        *check.against_champion(evidence, table, own),
        *baseline(evidence),
        *robustness(evidence),
        *calibration(evidence, table),
        *flips(evidence, table),
        *fairness(evidence, table),
        *data(evidence),
        *leakage(evidence, table),
        *size(evidence),
        *gold(evidence),
        *reuse(evidence),
        *reproduction(evidence),
        check.schema(evidence),
        check.card(evidence),
        *answers(evidence),
        *check.protected(evidence),
    ]
    judged, notes = _overridden(evidence, made)
    return Verdict(
        version=1,
        overall=_overall(judged),
        first_model=evidence.champion is None,
        inputs=Inputs(
            challenger=evidence.challenger.side,
            champion=evidence.champion and evidence.champion.side,
            test_rows=evidence.test_rows,
            policy=evidence.policy_sha256,
            lock=evidence.lock,
            suite=evidence.suite,
            gold=gold_inputs(evidence),
            baseline=baseline_inputs(evidence),
            disturbed=disturbed_inputs(evidence),
        ),
        checks=[*judged, *notes],
    )


def _as_reported(evidence: Evidence, table: Table) -> None:
    """metrics.json and evaluation.json must speak of these predictions."""
    name, again = table.primary, "Run `dvc repro -f evaluate`, and commit no report by hand."
    if evidence.evaluation.primary != name or evidence.evaluation.task != table.challenger.kind:
        raise Forged(
            f"reports/evaluation.json judges a {evidence.evaluation.task} model by {evidence.evaluation.primary}; by "
            f"schema.yaml it is a {table.challenger.kind} model, judged by {name}. {again}"
        )
    reported = evidence.metrics.values.get(name)
    if reported is not None and reported.value is not None and not agrees(reported.value, table.challenger):
        found = measure(table.challenger).get(name)
        raise Forged(
            f"reports/metrics.json says {name} {reported.value:.6g}; the model's predictions of the test rows give "
            f"{'none' if found is None else format(found, '.6g')}. A figure that the predictions do not bear out is "
            f"not judged. {again}"
        )


def _overridden(evidence: Evidence, made: list[Check]) -> tuple[list[Check], list[Check]]:
    """The checks with the overrides that were honoured, and a note on them and on those that were not."""
    model = evidence.challenger.side.sha256
    judged: list[Check] = []
    ignored: list[str] = []
    for one in made:
        mine = next((o for o in evidence.overrides if o.check == one.id and o.sha256 == model), None)
        others = [o for o in evidence.overrides if o.check == one.id and o.sha256 != model]
        if one.outcome == "pass" or one.severity == "note":
            ignored += [f"{one.id} is not needed: the check does not stop this model"] if mine else []
        # Whoever writes the entry could otherwise clear the very check that guards the file it stands in.
        elif mine and one.id == "protected" and not evidence.alone:
            ignored.append(f"{one.id} needs the approval of another person")
        elif mine:
            one = one.model_copy(update={"override": f"{mine.reason} ({mine.owner})"})
        elif others:
            ignored.append(f"{one.id} was argued for model {others[-1].sha256[:8]}, this is {model[:8]}")
        judged.append(one)
    ids = {*(one.id for one in made), *MEASURED}
    ignored += [
        f"{o.check} is no check" for o in evidence.overrides if o.sha256 == model and o.check not in ids
    ]
    ignored += [
        f"{o.check} expired on {o.expires.isoformat()}" for o in evidence.expired if o.sha256 == model
    ]
    honoured = sum(one.override is not None for one in judged)
    if not honoured and not ignored:
        return judged, []
    words = [f"{honoured} honoured"] if honoured else []
    words += [f"ignored: {'; '.join(ignored)}"] if ignored else []
    note = Check(
        id="overrides",
        severity="note",
        outcome="fail" if ignored else "pass",
        title="Entries of overrides.yaml for this model",
        reason=f"Overrides: {'; '.join(words)}.",
        n=honoured,
        evidence={"ignored": ignored} if ignored else {},
    )
    return judged, [note]


def _overall(judged: list[Check]) -> Overall:
    """The worst that remains: unknown counts as a failure of its severity; notes never count."""
    left = {one.severity for one in judged if one.outcome != "pass" and one.override is None}
    return "block" if "block" in left else "needs-human" if "needs-human" in left else "pass"
