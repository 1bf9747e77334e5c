"""What the pull request changes, in one paragraph, with tables for what is long."""

from __future__ import annotations

from gitops_ml.card.markdown import folded, number, table
from gitops_ml.report.changes import NOTHING, DataDiff, Move, ParamChange, data_diff, params_diff
from gitops_ml.report.context import Context
from gitops_ml.report.text import MINUS, name, some, words

SHOWN, LISTED = 3, 40
CODE = ("src/", "dvc.yaml", "pyproject.toml", "uv.lock")


def what_changed(context: Context) -> str:
    """One paragraph: data, params, code. Empty if the context knows of none of them."""
    parts, unchanged = [], []
    told: set[str] = set()  # files whose change is described by what is in them
    if context.new_profile is not None:
        diff = data_diff(context.old_profile, context.new_profile)
        if diff:
            parts.append(_data(diff))
            table_path = context.new_profile.table.path
            told |= {table_path, f"{table_path}.dvc"}
        else:
            unchanged.append("data")
    if context.new_params is not None:
        changes = params_diff(context.old_params, context.new_params)
        if context.old_params is None:
            parts.append("first params.yaml")
        elif changes:
            said = [_param(one) for one in changes]
            parts.append(f"params {some(said, SHOWN)}")
            told.add("params.yaml")
        else:
            unchanged.append("params")
    code = [path for path in context.changed if path.startswith(CODE)]
    others = [path for path in context.changed if path not in code and path not in told]
    if code:
        parts.append(f"code {some([name(path) for path in code], SHOWN, 'files')}")
    elif parts or unchanged:
        unchanged.append("code")
    if others:
        parts.append(f"{'also ' if parts else ''}{some([name(path) for path in others], SHOWN, 'files')}")
    if unchanged:
        listed = ", ".join(unchanged[:-1])
        parts.append(f"{listed}{' and ' * bool(listed)}{unchanged[-1]} unchanged")
    return f"**What changed:** {'; '.join(parts)}." if parts else ""


def _data(diff: DataDiff) -> str:
    if not diff.old_rows:
        return f"{diff.rows:,} rows in {len(diff.added)} columns (the first data)"
    rows = f"{'more' if diff.rows > 0 else 'fewer'} {'row' if abs(diff.rows) == 1 else 'rows'}"
    parts = [
        f"{abs(diff.rows):,} {rows} ({_percent(diff.rows / diff.old_rows)})"
        if diff.rows
        else "as many rows, other bytes"
    ]
    if diff.added:
        parts.append(f"new {_columns(diff.added)}")
    if diff.removed:
        parts.append(f"without {_columns(diff.removed)}")
    parts += [_move(move) for move in diff.moves[:SHOWN]]
    if len(diff.moves) > SHOWN:
        parts.append(f"{len(diff.moves) - SHOWN} more columns moved a little less")
    parts += [_move(move) for move in diff.balance[:1]]
    if diff.overlap > 0:
        parts.append(f"{diff.overlap:,} more test rows equal a training row")
    return "; ".join(parts)


def _columns(names: tuple[str, ...]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {some([name(one) for one in names], SHOWN)}"


def _move(move: Move) -> str:
    column, old, new = name(move.column), move.old, move.new
    if isinstance(old, str) or isinstance(new, str):
        return f"{column} {words(old, 40)} → {words(new, 40)}"
    if move.kind == "mean":
        return f"{column} mean {number(old)} → {number(new)}"
    if move.kind == "empty":
        return f"{column} empty in {old:.1%} → {new:.1%}"
    return f"{column} = {name(move.value)} {old:.1%} → {new:.1%}"


def _percent(share: float) -> str:
    size = f"{abs(share):.0%}" if abs(share) >= 0.01 else f"{abs(share):.2%}"
    return f"{'+' if share > 0 else MINUS}{size}"


def _param(one: ParamChange) -> str:
    if one.old == NOTHING:
        return f"new {name(one.key)} {name(one.new)}"
    if one.new == NOTHING:
        return f"without {name(one.key)} (was {name(one.old)})"
    return f"{name(one.key)} {name(one.old)} → {name(one.new)}"


def params_table(context: Context) -> str:
    """All params that changed, where the paragraph could not hold them."""
    if context.new_params is None or context.old_params is None:
        return ""
    changes = params_diff(context.old_params, context.new_params)
    if len(changes) <= SHOWN:
        return ""
    rows = [
        [name(one.key, 100), *("" if v == NOTHING else name(v, 100) for v in (one.old, one.new))]
        for one in changes[:LISTED]
    ]
    text = table(["param", "base", "this PR"], rows) + _more(len(changes))
    return folded(f"{len(changes):,} params changed", text)


def data_table(context: Context) -> str:
    """All columns that moved, where the paragraph could not hold them."""
    if context.new_profile is None or context.old_profile is None:
        return ""
    moves = data_diff(context.old_profile, context.new_profile).moves
    if len(moves) <= SHOWN:
        return ""
    rows = [[_move(move), number(move.size) if move.kind != "type" else ""] for move in moves[:LISTED]]
    head = ["column", "size (standard deviations; of a share: its change)"]
    return folded(f"{len(moves):,} moves of columns", table(head, rows, frozenset({1})) + _more(len(moves)))


def _more(total: int) -> str:
    return f"\n\nand {total - LISTED:,} more" if total > LISTED else ""
