"""`gitops-ml adopt`: the user's own table becomes the project's table, contract and parameters."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml.errors import Fault
from gitops_ml.shell import prefix

if TYPE_CHECKING:
    from gitops_ml.adopt.plan import Asked, Plan
    from gitops_ml.adopt.read import Table
    from gitops_ml.contracts.schema import SchemaFile


@click.command()
@click.argument("table", required=False, type=click.Path(path_type=Path))
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option(
    "--task", type=click.Choice(["auto", "classification", "regression"]), default="auto",
    help="Classes or a number; auto looks at the target.",
)  # fmt: skip
@click.option("--time", metavar="COLUMN", help="When the row was true; the newest rows become the test.")
@click.option(
    "--group", metavar="COLUMN", help="What several rows belong to; no group is in training and test."
)
@click.option("--id", "id_", metavar="COLUMN", help="What names a row; it stays beside the predictions.")
@click.option("--drop", metavar="COLUMN", multiple=True, help="A column to ignore; may be repeated.")
@click.option("--afresh", is_flag=True, help="Forget the roles and edits of schema.yaml.")
def adopt(
    table: Path | None, target: str | None, task: str, time: str | None, group: str | None, id_: str | None,
    drop: tuple[str, ...], afresh: bool,
) -> None:  # fmt: skip
    """Make TABLE (CSV, TSV or Parquet) the table of this project.

    Writes schema.yaml and the data block of params.yaml, and puts the file under DVC in data/raw. Without TABLE the
    project's own table is looked at again, for instance with another --drop.

    A table that has all columns of schema.yaml is taken for a newer version of the same table: roles, available,
    nullable, bounds and categories are kept as far as the rows allow, unless --afresh is given. Any other table
    starts from nothing, and tests/model/behaviour.yaml is emptied.
    """
    from gitops_ml.adopt.plan import Asked

    click.echo(adopt_table(table, Asked(target, task, time, group, id_, drop, afresh)))


def adopt_table(path: Path | None, asked: Asked) -> str:
    """Adopt a table in the current folder; returns what to tell. Raises :class:`Fault`; then nothing has changed."""
    from gitops_ml.adopt.infer import id_like
    from gitops_ml.adopt.plan import make_plan, project_file
    from gitops_ml.adopt.read import read_table
    from gitops_ml.adopt.write import RAW, apply, inside_raw
    from gitops_ml.contracts.params import ParamsFile

    for needed in ("dvc.yaml", "params.yaml", ".dvc"):
        if not Path(needed).exists():
            raise Fault(f"{needed} is not here. Run this in the project's folder, where dvc.yaml is.")
    now = Path(ParamsFile.read("params.yaml").data.table)
    source = now if path is None else path
    table = read_table(source)
    plan = make_plan(table, asked, project_file(Path("schema.yaml")))
    inside = inside_raw(source)
    notes = list(plan.notes)
    ids = [name for name in plan.schema.names("ignored") if name in plan.facts and id_like(plan.facts[name])]
    if ids and plan.schema.one("id") is None:
        notes.append(
            f"to keep an id beside the predictions: uv run gitops-ml adopt --id {shlex.quote(ids[0])}"
        )
    change = _change(plan, source, inside or RAW / table.name, now, inside is None, asked, notes)
    apply(change)
    if change.retire and change.retire.exists():
        notes.append(f"{change.retire} stays: neither git nor DVC has its present bytes. Remove it by hand.")
    return summary(table, plan, change.table, notes)


def _change(
    plan: Plan, source: Path, table: Path, now: Path, copy: bool, asked: Asked, notes: list[str]
) -> _Change:
    from gitops_ml.adopt import write
    from gitops_ml.adopt.edits import behaviour_text, card_text, params_text, policy_text
    from gitops_ml.adopt.yaml_text import schema_text

    texts = {Path("schema.yaml"): schema_text(plan.schema)}
    texts[Path("params.yaml")] = params_text(
        Path("params.yaml"), table.as_posix(), plan.schema, _strategy(plan, asked), notes
    )
    behaviour, policy = Path("tests/model/behaviour.yaml"), Path("policy.yaml")
    if policy.exists() and (text := policy_text(policy, plan.schema, notes)) is not None:
        texts[policy] = text
    if (
        behaviour.exists()
        and (text := behaviour_text(behaviour, plan.schema, plan.same_table, notes)) is not None
    ):
        texts[behaviour] = text
    card = Path("model_card.yaml")
    if card.exists() and not plan.same_table and (said := card_text(card, notes)) is not None:
        texts[card] = said
    tracked = write.in_git(table)
    pointed = write.pointed_md5(write.pointer_of(table)) if write.pointer_of(table).exists() else None
    same_bytes = table.exists() and (not copy or write.md5_of(source) == write.md5_of(table))
    copy = copy and not same_bytes
    plain = tracked and not copy  # plain git already, like the sample
    track = not plain and (copy or pointed is None or pointed != write.md5_of(table))
    retire = now if now != table and write.inside_raw(now) is not None else None
    return write.Change(texts, source if copy else None, table, track, tracked and copy, retire)


def _strategy(plan: Plan, asked: Asked) -> str | None:
    """The split that fits the roles; None: keep the one in params.yaml."""
    from gitops_ml.contracts.params import ParamsFile

    if asked.time:
        return "time"
    if asked.group:
        return "group"
    before = ParamsFile.read("params.yaml").data.split.strategy
    if plan.same_table and (before == "random" or plan.schema.one(before)):
        return None
    return "random"


# ---------------------------------------------------------------- what to tell


def summary(table: Table, plan: Plan, place: Path, notes: list[str]) -> str:
    """One screen: what was found, what to know, what to do next."""
    schema = plan.schema
    rows, columns = table.data.num_rows, len(schema.columns)
    again = ", a newer version of the same table" if plan.same_table else ""
    lines = ["", f"  adopted   {table.name}: {rows:,} rows, {columns:,} columns{again}", ""]
    lines.append(f"  target    {schema.target}: {_target(plan)}")
    kinds = Counter(schema.columns[name].type for name in schema.features)
    lines.append(
        f"  features  {len(schema.features):,}: "
        + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    )
    roles = [f"{role} {schema.one(role)}" for role in ("id", "time", "group") if schema.one(role)]
    if roles:
        lines.append("  roles     " + ", ".join(roles))
    hidden = [n for n, c in schema.columns.items() if c.role == "feature" and not c.available]
    if hidden:
        lines.append("  unknown   when predicting, so not features: " + ", ".join(hidden[:10]))
    lines += _ignored(schema)
    lines.append(f"  file      {place.as_posix()} ({_size(table.size)}, {_make(table)})")
    for title, texts in (("warning", plan.warnings), ("note", notes)):
        for text in texts[:10] + ([f"... and {len(texts) - 10} more"] if len(texts) > 10 else []):
            lines += ["", f"  {title:8}  " + text.replace("\n", "\n            ")]
    return "\n".join([*lines, "", f"  next      {prefix(Path.cwd())}gitops-ml reproduce", ""])


def _target(plan: Plan) -> str:
    from gitops_ml.adopt.warn import label_text

    facts, schema = plan.facts[plan.schema.target], plan.schema
    if schema.task == "regression":
        return f"a number from {facts.minimum:g} to {facts.maximum:g} (regression)"
    counts = sorted(((count, label_text(value)) for value, count in facts.values), key=lambda pair: -pair[0])
    shares = [f"{label} {100 * count / facts.filled:.2g}%" for count, label in counts[:6]]
    more = f", and {len(counts) - 6} more classes" if len(counts) > 6 else ""
    positive = schema.columns[schema.target].positive
    about = "" if positive is None else f"; the score is that of {label_text(positive)}"
    return ", ".join(shares) + more + about


def _ignored(schema: SchemaFile) -> list[str]:
    names = schema.names("ignored")
    lines = [
        f"{'  ignored ' if not i else '':10}  {n}: {schema.columns[n].reason}"
        for i, n in enumerate(names[:10])
    ]
    return lines + (
        [f"            ... and {len(names) - 10} more (uv run gitops-ml schema show)"]
        if len(names) > 10
        else []
    )


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _make(table: Table) -> str:
    if table.file.format == "parquet":
        return "Parquet"
    delimiter = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}[table.file.delimiter or ","]
    comma = ", decimal comma" if table.file.decimal == "," else ""
    return f"CSV with {delimiter}s{comma}, {table.file.encoding}"


if TYPE_CHECKING:
    from gitops_ml.adopt.write import Change as _Change
