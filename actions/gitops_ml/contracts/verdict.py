"""verdict.json and measurements.json: the judgement, a pure function of digests; and, apart from it, what a clock measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision, Version
from gitops_ml.contracts.timings import Timings
from gitops_ml.contracts.training import Sha256

Severity = Literal["block", "needs-human", "note"]
Outcome = Literal["pass", "fail", "unknown"]
Overall = Literal["pass", "needs-human", "block"]


class Side(Contract):
    """A model that took part, by digest."""

    version: Version | None = Field(description="Of its release; null: it has none yet")
    revision: Revision | None = Field(description="Whose code predicted; null: not committed yet")
    sha256: Sha256 = Field(description="Of the model's bytes")
    predictions: Sha256 | None = Field(description="Of its predictions of the test rows; null: it has none")


class GoldRows(Contract):
    """The gold set that took part (see ``gold`` of policy.yaml), by digest."""

    rows: Sha256 = Field(description="Of the table, the base branch's")
    predictions: dict[Literal["champion", "challenger"], Sha256] = Field(
        description="Of what each model said of its rows"
    )


class DisturbedRows(Contract):
    """The disturbed test rows that took part (see ``robustness`` of policy.yaml), by digest."""

    predictions: dict[Literal["champion", "challenger"], Sha256] = Field(
        description="Of what each model said of them"
    )


class Inputs(Contract):
    """All that the verdict depends on."""

    challenger: Side = Field(description="The model that wants to serve")
    champion: Side | None = Field(description="The model to beat; null: first model")
    test_rows: Sha256 = Field(description="Of the file of test rows")
    policy: Sha256 = Field(description="Of the policy.yaml that judged: the base branch's")
    lock: Revision = Field(description="Blob id of the challenger's dvc.lock")
    suite: str = Field(description="Version of gitops-ml that judged")
    gold: GoldRows | None = Field(default=None, description="The gold set; null: none was judged on")
    baseline: Side | None = Field(
        default=None, description="The release not to sink below; null: none was compared with"
    )
    disturbed: DisturbedRows | None = Field(
        default=None, description="The test rows on a bad day; null: none were judged on"
    )


class Check(Contract):
    """One check with its evidence. ``unknown`` is never a pass: it counts as a failure of its severity."""

    id: str = Field(description="Unique in the verdict, such as quality/roc_auc or floor/roc_auc")
    severity: Severity = Field(description="What a failure means")
    outcome: Outcome = Field(description="What came out")
    title: str = Field(description="In words, for a person")
    reason: str = Field(description="One sentence with the figures: why this outcome")
    metric: str | None = Field(default=None, description="Which metric, where one decides")
    champion: float | None = Field(default=None, description="The champion's estimate")
    challenger: float | None = Field(default=None, description="The challenger's estimate")
    estimate: float | None = Field(default=None, description="What is compared with the threshold")
    low: float | None = Field(default=None, description="Lower end of its interval")
    high: float | None = Field(default=None, description="Upper end of its interval")
    level: float | None = Field(default=None, description="Of the interval, such as 0.95")
    n: int | None = Field(default=None, description="Rows it rests on")
    threshold: float | None = Field(default=None, description="The limit, from the policy")
    evidence: dict[str, Any] = Field(default={}, description="More figures, such as method, seed, repeats")
    override: str | None = Field(default=None, description="Reason of the override that was honoured")


class Verdict(Contract):
    """verdict.json. Equal inputs give equal bytes, on any machine."""

    version: Literal[1] = Field(description="Of this layout")
    overall: Overall = Field(description="The worst that remains after overrides")
    first_model: bool = Field(description="There was no champion: floors and card decided")
    inputs: Inputs = Field(description="By digest")
    checks: list[Check] = Field(description="In the order of the report")

    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON: sorted keys, no blanks, UTF-8.

        A gold set, a baseline or disturbed rows that did not take part are left out: verdicts of before there were any keep their digest.
        """
        said = self.model_dump(mode="json")
        for name in ("gold", "baseline", "disturbed"):
            if said["inputs"][name] is None:
                del said["inputs"][name]
        content = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


def told(verdict: Verdict, measured: Sequence[Check]) -> Verdict:
    """A verdict as people are told it: with the measured checks, and the worst of all. Its digest is not the verdict's."""
    left = {one.severity for one in measured if one.outcome != "pass" and one.override is None}
    order: tuple[Overall, ...] = ("pass", "needs-human", "block")
    worst = max((one for one in order if one in left), key=order.index, default="pass")
    overall = max(verdict.overall, worst, key=order.index)
    return verdict.model_copy(update={"overall": overall, "checks": [*verdict.checks, *measured]})


class Cost(Contract):
    """Seconds of a machine at the price that policy.yaml names."""

    amount: float = Field(ge=0, description="seconds / 3600 * price per hour")
    currency: str = Field(description="As policy.yaml names it")


class Measurements(Contract):
    """measurements.json: wall times and sizes; never part of the verdict's digest."""

    version: Literal[1] = Field(description="Of this layout")
    platform: str = Field(description="Operating system, processor and Python of the builder")
    build_seconds: dict[str, float] = Field(description="Stage -> seconds")
    score_seconds: dict[str, float] = Field(description="challenger, champion -> seconds of the process")
    model_bytes: dict[str, int] = Field(description="challenger, champion -> size")
    timings: Timings | None = Field(default=None, description="Both models asked in turn; null: not measured")
    cost: Cost | None = Field(default=None, description="Of the build; null: policy.yaml names no price")
    checks: list[Check] = Field(
        default=[], description="What clocks and scales were judged by; [] at a release, which judges none"
    )
