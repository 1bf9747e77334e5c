"""Every check that the gate can make: what it asks, which keys of policy.yaml turn it, and what they make of it here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitops_ml.contracts.evaluation import Kind
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.verdict import Severity
from gitops_ml.gate.metrics import PRIMARY

Ids = Callable[[PolicyFile, SchemaFile], Sequence[str]]
KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")
CLASSES: tuple[Kind, ...] = ("binary", "multiclass")
SECONDARY: dict[Kind, str] = {"binary": "recall", "multiclass": "macro_f1", "regression": "rmse"}
"""A metric to name in an example."""


@dataclass(frozen=True)
class Entry:
    """A row of the table of docs/gate.md.

    ``id``: as it stands there, with ``<...>`` for what differs. ``keys``: of policy.yaml, dotted. ``ids``: what the
    verdict calls it under a policy; none: it is off. ``severity``: of a failure; where one check can mean two things,
    the worse. ``on``: the line of policy.yaml that turns it on; "" where it always is, or comes with another. ``stop``: the line that makes a
    note stop a model; "" where it never does. ``kinds``: of prediction that it is defined for.
    ``waits``: it is a note until production has changed hands (:mod:`gitops_ml.delivery.handed_over`).
    """

    id: str
    question: str
    keys: tuple[str, ...]
    severity: Callable[[PolicyFile], Severity]
    ids: Ids
    on: str = ""
    stop: str = ""
    kinds: tuple[Kind, ...] = KINDS
    waits: bool = False

    def names(self, policy: PolicyFile, schema: SchemaFile) -> list[str]:
        """Its ids under a policy; none where it is off, or not defined for this kind of prediction."""
        return list(self.ids(policy, schema)) if schema.kind in self.kinds else []

    def matches(self, check: str) -> bool:
        """Whether an id of a verdict is one of its."""
        literal = [re.escape(part) for part in re.split(r"<[^>]*>", self.id)]
        return re.fullmatch(".+".join(literal), check, re.DOTALL) is not None


def _is(severity: Severity) -> Callable[[PolicyFile], Severity]:
    return lambda policy: severity


def _always(*ids: str) -> Ids:
    return lambda policy, schema: ids


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "floor/<metric>", "does it reach the limit?", ("floors",), _is("block"),
        lambda policy, schema: [f"floor/{name}" for name in policy.floors],
        on="floors: {<primary>: 0.7}",
    ),
    Entry("floor/dummy", "is it better than guessing?", (), _is("block"), _always("floor/dummy")),
    Entry(
        "quality/<primary>", "is it not worse?", ("quality",), _is("block"),
        lambda policy, schema: [f"quality/{PRIMARY[schema.kind]}"],
    ),
    Entry(
        "baseline/<primary>", "is it as good as a release that people chose?", ("baseline",),
        lambda policy: policy.baseline.severity,
        lambda policy, schema: [f"baseline/{PRIMARY[schema.kind]}"] if policy.baseline.version else [],
        on="baseline: {version: v1.0.0}", stop="baseline: {severity: block}",
    ),
    Entry(
        "secondary/<metric>", "is it not worse by other metrics?", ("quality.secondary",), _is("block"),
        lambda policy, schema: [f"secondary/{name}" for name in policy.quality.secondary],
        on="quality: {secondary: {<secondary>: {margin: 0.05}}}",
    ),
    Entry(
        "slices", "is no group worse off?",
        ("slices", "slices_cross", "slices_margin", "slices_severity", "min_slice_rows"),
        lambda policy: policy.slices_severity,
        lambda policy, schema: ["slices"] if policy.slices else [],
        on="slices: [{column: <column>}]", stop="slices_severity: needs-human",
    ),
    Entry(
        "slices/few", "which groups are too small?", ("min_slice_rows",), _is("note"),
        lambda policy, schema: ["slices/few"] if policy.slices else [],
    ),
    Entry(
        "calibration", "can scores be read as shares?", ("calibration",),
        lambda policy: policy.calibration.severity, _always("calibration"),
        stop="calibration: {severity: needs-human}", kinds=CLASSES,
    ),
    Entry(
        "flips", "which predictions change?", ("flips",),
        lambda policy: policy.flips.severity if policy.flips.limit is not None else "note", _always("flips"),
        stop="flips: {limit: 0.1, severity: needs-human}", kinds=CLASSES,
    ),
    Entry(
        "fairness/<column>", "are groups treated alike?", ("fairness",),
        lambda policy: policy.fairness.severity,
        lambda policy, schema: [f"fairness/{name}" for name in policy.fairness.attributes],
        on="fairness: {attributes: [<column>], severity: block}", stop="fairness: {severity: block}",
    ),
    Entry(
        "fairness", "is it said whose groups to look at?", ("fairness.attributes", "fairness.absent", "fairness.undeclared"),
        lambda policy: policy.fairness.undeclared,
        lambda policy, schema: [] if policy.fairness.attributes else ["fairness"],
        stop="fairness: {undeclared: needs-human}", waits=True,
    ),
    Entry(
        "robustness/noise", "does it bear numbers that are a little off?",
        ("robustness.noise", "robustness.margin", "robustness.seed", "robustness.severity"),
        lambda policy: policy.robustness.severity,
        lambda policy, schema: ["robustness/noise"] if policy.robustness.noise else [],
        on="robustness: {noise: 0.1}", stop="robustness: {severity: needs-human}",
    ),
    Entry(
        "robustness/missing", "does it bear a column that is empty?",
        ("robustness.missing", "robustness.margin", "robustness.severity"),
        lambda policy: policy.robustness.severity,
        lambda policy, schema: ["robustness/missing"] if policy.robustness.missing else [],
        on="robustness: {missing: 3}", stop="robustness: {severity: needs-human}",
    ),
    Entry(
        "champion/scored", "could the champion be compared?", (), _is("needs-human"),
        _always("champion/scored"),
    ),
    Entry(
        "rows/unseen", "did it learn every class of the test rows?", (), _is("needs-human"),
        _always("rows/unseen"), kinds=CLASSES,
    ),
    Entry(
        "gold/<primary>", "is it not worse on rows that nothing was tuned to?", ("gold",),
        lambda policy: policy.gold.severity,
        lambda policy, schema: [f"gold/{PRIMARY[schema.kind]}"] if policy.gold.table else [],
        on="gold: {table: data/gold.parquet}", stop="gold: {severity: block}",
    ),
    Entry(
        "gold/floor", "does it reach the limit there?", ("gold.floor",), lambda policy: policy.gold.severity,
        lambda policy, schema: ["gold/floor"] if policy.gold.table and policy.gold.floor is not None else [],
    ),
    Entry(
        "reuse", "have these test rows judged too many models?", ("reuse",),
        lambda policy: policy.reuse.severity,
        lambda policy, schema: ["reuse"] if policy.reuse.limit is not None else [],
        on="reuse: {limit: 20}", stop="reuse: {severity: needs-human}",
    ),
    Entry(
        "reproduction", "does a second build give the same bytes?", ("reproduction",),
        lambda policy: policy.reproduction.severity,
        lambda policy, schema: ["reproduction"] if policy.reproduction.share else [],
        on="reproduction: {share: 0.1}", stop="reproduction: {severity: needs-human}",
    ),
    Entry(
        "data", "are the rows like the champion's?", ("data",), lambda policy: policy.data.severity,
        _always("data"), stop="data: {severity: needs-human}",
    ),
    Entry(
        "data/overlap", "is it tested on rows it was trained on?", ("data.overlap",),
        lambda policy: policy.data.overlap.severity, _always("data/overlap"),
        stop="data: {overlap: {severity: needs-human}}",
    ),
    Entry(
        "leakage", "does a column give the answer away?", ("leakage.alone", "leakage.severity"),
        lambda policy: policy.leakage.severity, _always("leakage"), stop="leakage: {severity: block}",
    ),
    Entry(
        "leakage/time", "is the test the newest?", ("leakage.severity",),
        lambda policy: policy.leakage.severity, _always("leakage/time"), stop="leakage: {severity: block}",
    ),
    Entry(
        "leakage/shuffled", "is a shuffled target learnt?", ("leakage.shuffled_target", "leakage.seed"),
        lambda policy: policy.leakage.severity,
        lambda policy, schema: ["leakage/shuffled"] if policy.leakage.shuffled_target else [],
        on="leakage: {shuffled_target: true}", stop="leakage: {severity: block}",
    ),
    Entry(
        "schema", "must callers change?", ("contract",), lambda policy: policy.contract, _always("schema"),
        stop="contract: needs-human",
    ),
    Entry(
        "budget/bytes", "is its file too large?", ("budgets.bytes", "budgets.bytes_ratio", "budgets.severity"),
        lambda policy: policy.budgets.severity,
        lambda policy, schema: ["budget/bytes"] if policy.budgets.bytes or policy.budgets.bytes_ratio else [],
        on="budgets: {bytes_ratio: 10}", stop="budgets: {severity: needs-human}",
    ),
    Entry(
        "budget/latency", "does one row take longer?", ("budgets.latency_ratio", "budgets.severity"),
        lambda policy: policy.budgets.severity,
        lambda policy, schema: ["budget/latency"] if policy.budgets.latency_ratio else [],
        on="budgets: {latency_ratio: 2}", stop="budgets: {severity: needs-human}",
    ),
    Entry(
        "budget/latency-batch", "do many rows at once?", ("budgets.latency_ratio", "budgets.severity"),
        lambda policy: policy.budgets.severity,
        lambda policy, schema: ["budget/latency-batch"] if policy.budgets.latency_ratio else [],
    ),
    Entry(
        "budget/memory", "does it need more memory?", ("budgets.memory_ratio", "budgets.severity"),
        lambda policy: policy.budgets.severity,
        lambda policy, schema: ["budget/memory"] if policy.budgets.memory_ratio else [],
        on="budgets: {memory_ratio: 2}", stop="budgets: {severity: needs-human}",
    ),
    Entry(
        "budget/training", "does the build take too long, or cost too much?",
        ("budgets.train_seconds", "budgets.price_per_hour", "budgets.cost", "budgets.severity"),
        lambda policy: policy.budgets.severity,
        lambda policy, schema: ["budget/training"] if policy.budgets.train_seconds or policy.budgets.cost else [],
        on="budgets: {train_seconds: 600}", stop="budgets: {severity: needs-human}",
    ),
    Entry("card", "is the card this model's?", (), _is("block"), _always("card")),
    Entry(
        "card/answers", "did people answer what the card needs?", ("card",),
        lambda policy: policy.card.severity,
        lambda policy, schema: ["card/answers"] if policy.card.required else [],
        on="card: {required: [intended_use, contact]}", stop="card: {severity: needs-human}", waits=True,
    ),
    Entry("protected", "does it change its own rules?", (), _is("needs-human"), _always("protected")),
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """What a policy makes of an entry: its ids (none: off), what a failure means, and the line that would change that."""

    entry: Entry
    ids: list[str]
    severity: Severity
    line: str

    @property
    def stops(self) -> bool:
        """Whether a failure stops a model."""
        return bool(self.ids) and self.severity != "note"


def standings(policy: PolicyFile, schema: SchemaFile) -> list[Standing]:
    """Every entry that is defined for this kind of prediction, in the catalogue's order."""
    found = []
    for entry in CATALOGUE:
        if schema.kind not in entry.kinds:
            continue
        ids, severity = entry.names(policy, schema), entry.severity(policy)
        line = entry.on if not ids else entry.stop if severity == "note" else ""
        found.append(Standing(entry, ids, severity, _filled(line, schema)))
    return found


def severities(policy: PolicyFile, schema: SchemaFile) -> dict[str, Severity]:
    """Id -> what a failure means, of every check that this policy can bring forth."""
    return {name: one.severity for one in standings(policy, schema) for name in one.ids}


def _filled(line: str, schema: SchemaFile) -> str:
    """The line with names of this project: its metrics, and a column that has groups."""
    groups = [name for name in schema.features if schema.columns[name].type in ("category", "boolean")]
    names = {"<primary>": PRIMARY[schema.kind], "<secondary>": SECONDARY[schema.kind]}
    for mark, name in names.items():
        line = line.replace(mark, name)
    return line.replace("<column>", groups[0] if groups else "COLUMN")
