"""Reports of evidence made up for the gate: what terminal, page and browser are shown."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from tests.suite import judged
from tests.suite.test_report_comment import context

from gitops_ml.contracts.report import Report
from gitops_ml.contracts.verdict import Measurements
from gitops_ml.gate.curves import looks
from gitops_ml.gate.judge import judge
from gitops_ml.report.story import told

PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" style="fill:#2563eb"/></svg>'
HOSTILE = (
    "<script>window.broken = 1</script>",
    '"><img src=x onerror="window.broken = 1">',
    "' autofocus onfocus='window.broken = 1",
    "</script><script>window.broken = 1//",
    "--><!-- ]]> <svg onload=window.broken=1>",
    "\u202egnp.exe\u2066\u200b",
    "&lt;b&gt; &#x3c; &amp;",
    "a|b\\`c` *d* [e](javascript:window.broken=1)",
    "x" * 10_000,
    "\x00\x1b[31mred\x07\r\nsecond line\u2028third",
)


def evidence(kind: str, n: int, loss: float, columns: dict[str, list[Any]] | None = None) -> Any:
    """Two models on rows of three columns, one of which has a value too rare to judge."""
    draw = np.random.default_rng(5)
    rows = pd.DataFrame(
        columns
        or {
            "contract": draw.choice(
                ["monthly", "one-year", "two-year", "weekly"], n, p=[0.5, 0.3, 0.19, 0.01]
            ),
            "region": draw.choice([f"region {k}" for k in range(20)], n),
            "sex": draw.choice(["f", "m"], n),
        }
    )
    first, *others = rows.columns
    policy: dict[str, Any] = {
        "slices": [{"column": name} for name in (first, *others[:1])],
        "min_slice_rows": 40,
    }
    if kind == "binary":
        policy |= {"fairness": {"attributes": [rows.columns[-1]]}, "floors": {"recall": 0.5}}
        policy |= {"quality": {"secondary": {"accuracy": {"margin": 0.02}}}}
    ids = pd.Series([f"c{k:04}" for k in range(n)])
    return judged.evidence(kind, n=n, loss=loss, policy=policy, columns=rows, ids=ids)


@cache
def report(kind: str = "binary", loss: float = 0.0, first: bool = False, failed: bool = False) -> Report:
    """Binary, multiclass or regression; ``loss`` of the signal blocks; ``first``: without a champion."""
    given = evidence(kind, 2000, loss)
    if first:
        given = judged.replace(given, champion=None)
    found = Measurements(
        version=1,
        platform="Linux x86_64, Python 3.11",
        build_seconds={"prepare": 1.2, "train": 8.1},
        score_seconds={"challenger": 0.5},
        model_bytes={"challenger": 219_000},
    )
    made = context(
        changed=("src/churn/train.py", "params.yaml"),
        new_params={"train": {"seed": 8, "depth": 6}},
        artifact="verdict-7",
    )
    why = ("check", "E   assert 1 == 2\nFAILED tests/data/test_rows.py") if failed else None
    return told(judge(given), made, found, looks(given), why)


def spoiled(given: Report, texts: tuple[str, ...] = HOSTILE) -> Report:
    """The same report with every free text of it replaced by a stranger's, in turn."""
    taken = iter(range(1_000_000))

    def word() -> str:
        return texts[next(taken) % len(texts)]

    def spoil(content: Any, key: str) -> Any:
        if isinstance(content, dict):
            kept = {name: spoil(one, name) for name, one in content.items()}
            return {word(): 1.0, **kept} if key == "build_seconds" else kept
        if isinstance(content, list):
            return [spoil(one, key) for one in content]
        if not isinstance(content, str) or key in BOUND:
            return content
        if key == "id":
            return f"fairness/{word()}" if content.startswith("fairness/") else content
        return word()

    return Report.parse(spoil(given.model_dump(mode="json"), ""), "report.json")


# Texts that a pattern or a list of choices holds, and the names by which sections find their checks.
BOUND = frozenset(
    ("overall", "severity", "outcome", "sha256", "revision", "predictions", "test_rows", "policy", "lock", "kind", "task",
     "head", "digest", "check", "checks", "metric", "version")
)  # fmt: skip
