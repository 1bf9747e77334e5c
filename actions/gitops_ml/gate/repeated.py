"""What happens more than once: test rows that judge many models, and a build that is made twice. Functions of the evidence."""

from __future__ import annotations

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence


def reuse(evidence: Evidence) -> list[Check]:
    """Whether these test rows have judged more models than policy.yaml allows; nothing where it sets no limit.

    Whoever keeps the best of k models that are truly equal keeps the luckiest: the expected maximum of k draws grows
    with k (Dwork et al., Science 349, 2015, p. 636, on holdouts that are used adaptively).
    """
    rules = evidence.policy.reuse
    if rules.limit is None:
        return []
    count = evidence.reused
    if count is None:
        outcome, reason = (
            "unknown",
            (
                "How many models these test rows have judged is not known: the history of git is not whole here "
                "(git fetch --unshallow; in a workflow: fetch-depth: 0)."
            ),
        )
    else:
        few = count <= rules.limit
        models = "1 model" if count == 1 else f"{count:,} models"
        outcome = "pass" if few else "fail"
        reason = (
            f"These test rows have judged {models}, this one included; policy.yaml allows {rules.limit:,}."
        )
        if not few:
            reason += (
                " The best of many is lucky as well: draw new test rows (data.split in params.yaml, or newer data), or judge "
                "on a gold set too (gold in policy.yaml)."
            )
    return [
        Check(
            id="reuse",
            severity=rules.severity,
            outcome=outcome,
            title="The test rows are not worn out",
            reason=reason,
            estimate=None if count is None else float(count),
            threshold=float(rules.limit),
        )
    ]


def reproduction(evidence: Evidence) -> list[Check]:
    """Whether the second build gave the first one's bytes; nothing where there was none."""
    again = evidence.again
    if again is None:
        return []
    other = {name: outs for name, outs in again.stages.items() if outs}
    first = next(iter(other), None)
    if again.failed is not None:
        outcome, reason = "fail", f"The second build of the same commit failed: {again.failed}"
    elif first is not None:
        after = [name for name in other if name != first]
        more = f" (and so have {', '.join(after)})" if after else ""
        outcome = "fail"
        reason = (
            f"Built twice here from the same inputs, stage {first} gave other bytes: {', '.join(other[first][:5])}{more}. Look in it "
            "for a clock, a seed that is not fixed, an order of files or threads."
        )
    else:
        stages = "stage" if len(again.stages) == 1 else "stages"
        outcome, reason = "pass", f"Built twice here, {len(again.stages)} {stages} gave the same bytes."
    return [
        Check(
            id="reproduction",
            severity=evidence.policy.reproduction.severity,
            outcome=outcome,
            title="Built twice: same bytes",
            reason=reason,
            evidence={"stages": again.stages},
        )
    ]
