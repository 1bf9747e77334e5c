"""A look at today's rows for people: the verdict first, then which columns moved and whereto."""

from __future__ import annotations

from gitops_ml.card.markdown import folded, table
from gitops_ml.contracts.drift import P_VALUES, ColumnDrift, DriftFile
from gitops_ml.report.text import block, clip, name, version, words

HEADS = {"stable": "✅ Stable", "drifted": "🔁 Drifted", "broken": "⛔ Broken", "unknown": "❔ Unknown"}
SHOWN = 12


def headline(found: DriftFile) -> str:
    """The verdict in a few words."""
    if found.state == "broken":
        return "the rows break the data contract"
    if found.state == "unknown":
        return clip(found.reason.splitlines()[0].partition(". ")[0].rstrip("."), 120)
    features = [one for one in found.columns if one.role == "feature"]
    moved = sum(one.moved for one in features)
    more = {"target": "the target", "prediction": "what the model says"}
    extra = [more[one.role] for one in found.moved if one.role in more]
    return ", and ".join([f"{moved} of {len(features)} features moved", *extra])


def summary(found: DriftFile) -> str:
    """drift/summary.md."""
    first, _, rest = found.reason.partition("\n")
    parts = [f"### {HEADS[found.state]}: {words(headline(found), 160)}"]
    if found.state != "drifted":  # there the headline says it all
        parts.append(words(first))
    if rest.strip():
        parts.append(block(rest))
    if found.watched is not None and found.serving is not None:
        parts.append(about(found))
    if found.problems:
        listed = [
            [
                name(one.column),
                words(one.rule),
                f"{one.rows:,}" if one.rows else "all",
                words(one.example) if one.example else "",
            ]
            for one in found.problems
        ]
        head = ["column", "rule", "rows", "example"]
        parts.append(table(head, listed[:30], frozenset({2})))
        if len(listed) > 30:
            parts.append(f"and {len(listed) - 30:,} more.")
    parts.append(columns(found))
    parts += [f"- {words(note)}" for note in found.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def about(found: DriftFile) -> str:
    """What was compared with what, in one sentence."""
    assert found.watched is not None and found.serving is not None
    kinds = {
        "configured": "policy.yaml, `drift.current`",
        "imported": "the newest version of the imported table",
    }
    text = f"Watched: {name(found.watched.path)} ({kinds[found.watched.kind]}), {found.watched.rows:,} rows"
    if found.reference is None:
        return f"{text}; the serving model is {version(found.serving.version)}."
    return f"{text}, beside the {found.reference.rows:,} rows that {version(found.serving.version)} was tested on."


def columns(found: DriftFile) -> str:
    """The columns that moved, farthest first; the others on a click."""
    moved = sorted(found.moved, key=_far, reverse=True)
    still = [one for one in found.columns if not one.moved]
    shown, hidden = moved[:SHOWN], moved[SHOWN:] + still
    parts = [_table(shown)] if shown else []
    if hidden:
        parts.append(folded(f"{'The other ' if shown else ''}{len(hidden)} columns", _table(hidden)))
    return "\n\n".join(parts)


def _far(one: ColumnDrift) -> tuple[bool, float]:
    """The target and the predictions first; then by how many times the threshold."""
    if one.value is None:
        return one.role != "feature", 0.0
    ratio = one.threshold / max(one.value, 1e-300) if one.method in P_VALUES else one.value / one.threshold
    return one.role != "feature", ratio


def _table(listed: list[ColumnDrift]) -> str:
    def figure(one: ColumnDrift) -> str:
        return "not compared" if one.value is None else f"{one.value:.3g}"

    def limit(one: ColumnDrift) -> str:
        return f"{'<' if one.method in P_VALUES else '≥'} {one.threshold:g}"

    rows = [
        [
            name(one.name) + ("" if one.role == "feature" else f" ({one.role})"),
            one.method,
            figure(one),
            limit(one),
            words(one.reason or one.direction or "") if one.reason or one.direction else "",
        ]
        for one in listed
    ]
    return table(["column", "method", "value", "moved if", "how"], rows, frozenset({2, 3}))
