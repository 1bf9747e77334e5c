"""The plants: each failure that a pull request can bring, planted through the project's own pipeline, table and files."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.model_card import HumanCard
from gitops_ml.errors import Fault
from gitops_ml.report.summary import in_the_way
from gitops_ml.ruling.task import Ruling
from gitops_ml.selftest.plant import BUILD, Plant
from gitops_ml.selftest.rows import Group, group_of, tighter
from gitops_ml.selftest.site import MODEL, TRAIN_ROWS, Impossible, Site
from gitops_ml.selftest.table import md5_of

LEAK = "known_only_afterwards"
TIMES_LARGER = 20
SLOW = '''\
"""Makes every answer slow: each line that is asked for comes a while later."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator


class Slow:
    def __iter__(self) -> Iterator[str]:
        for line in sys.__stdin__ or ():
            time.sleep(0.05)
            yield line


sys.stdin = Slow()  # type: ignore[assignment]
'''

# ---------------------------------------------------------------- the model


def worse(site: Site) -> None:
    """What is learnt belongs to other rows."""
    site.hook(TRAIN_ROWS, "worse", site.schema.target)


def equal(site: Site) -> None:
    """The same rows in another order."""
    site.hook(TRAIN_ROWS, "shuffled")


def unfair(site: Site) -> None:
    """Worse for one group of rows alone."""
    group = group_of(site)
    site.hook(TRAIN_ROWS, "unfair", site.schema.target, group.column, group.value)


def unsure(site: Site) -> None:
    """Ranks rows as before, with scores that say little."""
    if site.schema.task == "regression":
        raise Impossible("a regression gives no scores that could be read as shares")
    site.hook(TRAIN_ROWS, "unsure", site.schema.target)


def slow(site: Site) -> None:
    """Every question takes 50 ms more."""
    equal(site)
    start = site.package / "__init__.py"
    if not start.is_file():
        raise Impossible(f"there is no {start.relative_to(site.root)}")
    write_text(site.package / "slow.py", SLOW)
    write_text(start, f"{start.read_text('utf-8').rstrip()}\n\nfrom . import slow  # noqa: E402, F401\n")


def huge(site: Site) -> None:
    """Twenty times the bytes."""
    site.hook(MODEL, "huge", str(TIMES_LARGER))


# ---------------------------------------------------------------- the data


def leaky(site: Site) -> None:
    """A column of which nobody knows the cell before the answer is known."""
    schema, noise = site.schema, random.Random(20)
    labels = [str(one) for one in schema.columns[schema.target].categories or []]

    def cell(answer: str) -> str:
        if not answer or (labels and answer not in labels):
            return ""
        value = labels.index(answer) if labels else float(answer)
        return repr(value + noise.uniform(-0.001, 0.001) * (abs(value) if not labels else 1))

    column = {"role": "feature", "type": "number", "nullable": True, "available": True}
    site.add_column(LEAK, cell, column)


def broken_schema(site: Site) -> None:
    """A value that callers may send is refused from now on; no row of the table has it."""
    found = tighter(site)
    if found is None:
        raise Impossible("no number among the features has a bound that the rows leave room for")
    name, key, bound = found
    site.edit("schema.yaml", lambda content: content["columns"][name].update({key: bound}))


def shifted(site: Site) -> None:
    """Training rows of another population: the upper half of the number that matters most."""
    numbers = [name for name in site.importance if site.features[name].type in ("number", "integer")]
    if not numbers:
        raise Impossible("no feature is a number")
    site.hook(TRAIN_ROWS, "shifted", numbers[0])


# ---------------------------------------------------------------- bytes


def unpushed(site: Site) -> None:
    """The table's pointer names bytes that only the author has."""
    content = site.rows().read_bytes() + b"\n"
    site.point(hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))


def tampered(site: Site) -> None:
    """The table's pointer is right, and what the store holds under its name is not."""
    rows = site.rows()
    md5, size = md5_of(rows), rows.stat().st_size
    site.point(md5, size)
    equal(site)


# ---------------------------------------------------------------- the rules


def loosened(site: Site) -> None:
    """The worse model, and a policy that would let it pass."""
    worse(site)

    def loosen(policy: Any) -> None:
        policy["quality"] = {"margin": 1000.0}
        policy["floors"] = {}

    site.edit("policy.yaml", loosen)


def expired(site: Site, ruling: Ruling) -> None:
    """Somebody answered for the worse model, until yesterday."""
    stopping = in_the_way(ruling.verdict) if ruling.verdict is not None else []
    if ruling.candidate is None or not stopping:
        raise Impossible("the worse model is not stopped, so there is nothing to override")
    write_text(site.root / "overrides.yaml", expired_entry(stopping[0].id, ruling.candidate.model.sha256))


def expired_entry(check: str, sha256: str) -> str:
    """An overrides.yaml that was honoured until yesterday."""
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    return (
        f"version: 1\noverrides:\n  - check: {check}\n    sha256: {sha256}\n"
        f"    owner: gates selftest\n    reason: It was needed for one day\n    expires: {yesterday}\n"
    )


def empty_card(site: Site) -> None:
    """Nobody says what the model is for, on a card of a new model."""
    equal(site)

    def empty(card: Any) -> None:
        for name in HumanCard.model_fields:
            card[name] = "unknown"

    site.edit("model_card.yaml", empty)


# ---------------------------------------------------------------- what would stop them


def _groups(site: Site) -> Mapping[str, Any]:
    group: Group = group_of(site)
    return {"slices": [group.slice], "slices_severity": "block"}


PLANTS: tuple[Plant, ...] = (
    Plant("worse-model", "a worse model", worse, ("quality/*", "secondary/*", "floor/*")),
    Plant("equal-model", "an equally good model", equal),
    Plant("leaky-feature", "a column that knows the answer", leaky, ("leakage*",), lambda _: {"leakage": {"severity": "block"}}),
    Plant("schema-break", "callers must change", broken_schema, ("schema", "contract"), lambda _: {"contract": "needs-human"}),
    Plant("unfair-slice", "one group is worse off", unfair, ("slices", "fairness/*"), _groups),
    Plant("miscalibrated-model", "scores that mean little", unsure, ("calibration",), lambda _: {"calibration": {"severity": "block"}}),
    Plant("slow-model", "every answer 50 ms later", slow, ("budget/latency*",), lambda _: {"budgets": {"latency_ratio": 2.0, "severity": "needs-human"}}),
    Plant("huge-model", "twenty times the bytes", huge, ("budget/bytes*",), lambda _: {"budgets": {"bytes_ratio": 10.0, "severity": "needs-human"}}),
    Plant("shifted-data", "training rows of another population", shifted, ("data",), lambda _: {"data": {"severity": "needs-human"}}),
    Plant("unpushed-bytes", "a table that nobody pushed", unpushed, (BUILD,)),
    Plant("tampered-bytes", "a store that gives other bytes", tampered, (BUILD,), poisons=True),
    Plant("loosened-policy", "a worse model, and a policy for it", loosened, ("quality/*", "floor/*", "secondary/*", "protected")),
    Plant("expired-override", "an override of yesterday", worse, ("quality/*", "floor/*", "secondary/*"), then=expired, note="overrides"),
    Plant("empty-card", "a card that says nothing", empty_card, ("card/answers",), lambda _: {"card": {"severity": "needs-human"}}, waits=True),
)  # fmt: skip


def named(names: tuple[str, ...]) -> list[Plant]:
    """The plants of these names, in their own order; all without a name. Raises :class:`Fault` for an unknown one."""
    known = {plant.name: plant for plant in PLANTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Fault(f"there is no plant {unknown[0]!r}. There are: {', '.join(known)}")
    return [plant for plant in PLANTS if not names or plant.name in names]
