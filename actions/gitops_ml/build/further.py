"""Rows to be predicted, without their target; and further sets of rows beside the test rows: drift's, the gold set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_ml.build.environment import last_lines
from gitops_ml.build.seal import sha256_of
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Also, Champion, Scored
from gitops_ml.errors import Fault


@dataclass
class Extra:
    """A further set of rows while it is predicted. ``rows``: those that count, without the target."""

    name: str
    source: str
    rows: Path
    count: int
    left_out: int
    challenger: Scored | None = None
    champion: Scored | None = None
    error: str | None = None

    def asked(
        self, ask: Callable[..., Scored], folder: Path, who: str, revision: str, seconds: float
    ) -> Scored | None:
        """One model's predictions; None, and ``error``, where there are none."""
        if not self.count:
            return None
        output = folder / f"also-{self.name}-{who}.parquet"
        try:
            return ask(self.rows, self.count, output, revision, seconds)
        except Fault as wrong:
            output.unlink(missing_ok=True)
            self.error = last_lines(f"the {who}: {wrong}", 8)[:2000]
            return None

    def told(self, champion: Champion | None) -> Also:
        """What the manifest says of it."""
        error = self.error
        if not self.count:
            error = "the candidate was trained on all of these rows"
        elif error is None and champion is not None and champion.scored is None:
            error = champion.error
        return Also(
            name=self.name, source=self.source, rows=self.count, left_out=self.left_out, challenger=self.challenger,
            champion=self.champion, error=error,
        )  # fmt: skip


def extra_rows(
    name: str, path: Path, candidate: Path, sealed: Candidate, desk: Path, projects: Sequence[Path]
) -> Extra:
    """The rows of a table that the candidate was not trained on, written without their target into ``desk``.

    ``projects``: whose targets are left out; the first one's schema.yaml says which rows are the same. Raises :class:`Fault`.
    """
    from gitops_ml.build.held_out import held_out

    keep = held_out(path, candidate, sealed, SchemaFile.read(projects[0] / "schema.yaml"))
    rows, count = desk / f"also-{name}.parquet", int(keep.sum())
    if count:
        without_target(path, rows, projects, keep)
    return Extra(name, sha256_of(path), rows, count, len(keep) - count)


def without_target(source: Path, rows: Path, projects: Sequence[Path], keep: Any = None) -> int:
    """Write the rows (of them ``keep``) without what is to be predicted; how many there are. Raises :class:`Fault`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    targets = set()
    for project in projects:
        path = project / "schema.yaml"
        if path.is_file():
            targets.add(SchemaFile.read(path).target)
    try:
        table = pq.read_table(source)
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"the test rows (data/prepared/test.parquet) are not Parquet: {wrong}") from None
    if not table.num_rows:
        raise Fault("there are no test rows, so nothing can be compared. See data.split in params.yaml.")
    if keep is not None:
        table = table.filter(pa.array(keep))
    kept = [name for name in table.column_names if name not in targets]
    pq.write_table(table.select(kept).replace_schema_metadata(None), rows)
    return int(table.num_rows)
