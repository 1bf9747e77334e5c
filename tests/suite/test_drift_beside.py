"""Both models on further rows: which count, what is shown, what is refused; and the first line of the pull request."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.suite import judged
from tests.suite.judged import Folders, sha256

from gitops_ml.build.held_out import TRAIN, held_out
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.gate.beside import Beside, beside
from gitops_ml.gate.evidence import Forged
from gitops_ml.gate.read import gather
from gitops_ml.ruling.drifted import headline


def scored(
    folders: Folders, path: Path, old: pd.DataFrame, new: pd.DataFrame, **changes: Any
) -> list[Beside]:
    """What the gate shows of one further table, of which both said this."""
    also: dict[str, Any] = {"name": "current", "source": sha256(path.read_bytes()), "rows": len(new), "left_out": 0, "error": None}  # fmt: skip
    for who, said, model in (("champion", old, judged.OLD), ("challenger", new, sha256(folders.model))):
        file = folders.scores_folder() / f"also-current-{who}.parquet"
        said.to_parquet(file, index=False)
        also[who] = {
            "file": file.name, "sha256": sha256(file.read_bytes()), "model_sha256": model,
            "revision": judged.COMMIT, "rows": len(said), "seconds": 0.1,
        }  # fmt: skip
    folders.score(also=[{**also, **changes}])
    digests = folders.digests
    evidence = gather(
        folders.candidate,
        folders.scores,
        base=folders.base,
        head=folders.head,
        today=date(2026, 11, 1),
        **digests,
    )
    return beside(
        evidence, {"current": path}, folders.candidate, digests["candidate_digest"], folders.scores, digests["scores_digest"]
    )  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path).write()


def table(tmp_path: Path, target: pd.Series, **more: Any) -> Path:
    path = tmp_path / "current.parquet"
    pd.DataFrame({"tenure": range(len(target)), "churned": target, **more}).to_parquet(path, index=False)
    return path


@pytest.mark.parametrize(("loss", "word"), [(-1.0, "better"), (0.9, "worse"), (0.0, "same")])
def test_the_difference_has_an_interval(folders: Folders, tmp_path: Path, loss: float, word: str) -> None:
    target, old, new = judged.pair("binary", 400, 8, loss)
    (one,) = scored(folders, table(tmp_path, target), old, new)
    assert (one.word, one.n, one.metric) == (word, 400, "roc_auc")
    assert one.low is not None and one.high is not None and one.champion is not None
    assert one.low <= (one.challenger or 0) - one.champion <= one.high


def test_rows_without_a_label_do_not_count(folders: Folders, tmp_path: Path) -> None:
    target, old, new = judged.pair("binary", 400, 8)
    (half,) = scored(folders, table(tmp_path, target.where(target.index < 200)), old, new)
    assert half.n == 200
    (none,) = scored(folders, table(tmp_path, target.where(target.index < 0)), old, new)
    assert none.word == "unknown" and none.reason == "the rows have no labels"


@pytest.mark.parametrize("case", ["other table", "other rows", "other model", "changed"])
def test_scores_of_something_else_are_refused(folders: Folders, tmp_path: Path, case: str) -> None:
    target, old, new = judged.pair("binary", 60, 8)
    rows = table(tmp_path, target)
    changes: dict[str, Any] = {"source": "0" * 64} if case == "other table" else {}
    if case == "other rows":
        changes = {"rows": 59}
    elif case == "other model":
        folders.model = b"another"
        changes = {}
    with pytest.raises(Forged):
        if case == "changed":
            scored(folders, rows, old, new.iloc[:30])
        scored(folders, rows, old, new, **changes)


def test_what_was_not_scored_is_said(folders: Folders, tmp_path: Path) -> None:
    target, old, new = judged.pair("binary", 60, 8)
    rows = table(tmp_path, target)
    (one,) = scored(folders, rows, old, new, champion=None, error="the champion: it wants a column")
    assert one.reason == "the champion: it wants a column" and one.word == "unknown"
    (one,) = scored(folders, rows, old, new, name="other")
    assert one.reason == "nobody scored them"


def test_rows_that_the_candidate_was_trained_on_prove_nothing(tmp_path: Path) -> None:
    """Whatever the types of the two files: 1 is 1.0, and an order of columns is no difference."""
    schema = judged.schema("binary")
    rows = pd.DataFrame(
        {"contract": ["monthly", "two-year", "monthly"], "tenure": [1, 2, 3], "churned": ["no", "yes", "no"]}
    )
    train = rows.iloc[[1]].astype({"tenure": "float64"})[["churned", "tenure", "contract"]]
    file = tmp_path / "train.parquet"
    train.to_parquet(file, index=False)
    content = file.read_bytes()
    digest = judged.md5(content)
    folders = Folders(tmp_path / "made") if (tmp_path / "made").mkdir() is None else None
    assert folders is not None
    folders.objects[TRAIN] = content
    folders.write()
    candidate = Candidate.read(folders.candidate / "manifest.json")
    assert any(one.md5 == digest for one in candidate.objects)
    rows.astype({"tenure": "Int64"}).to_parquet(tmp_path / "rows.parquet", index=False)
    keep = held_out(tmp_path / "rows.parquet", folders.candidate, candidate, schema)
    assert list(keep) == [True, False, True]
    np.testing.assert_array_equal(keep, [True, False, True])


def said(low: float | None, high: float | None, name: str = "current", reason: str = "") -> Beside:
    return Beside(name, 300, 0, "roc_auc", 0.8, 0.81, low, high, reason)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ([said(0.01, 0.05)], "Retrained after drift: better on today's rows"),
        ([said(0.01, 0.05), said(-0.01, 0.01, "reference")], "better on today's rows, not measurably different on the old test rows"),
        ([said(-0.01, 0.05)], "Retraining does not help: the candidate is not measurably better on today's rows"),
        ([said(-0.05, -0.01)], "Retraining does not help: the candidate is worse on today's rows"),
        ([said(None, None, reason="the rows have no labels")], "is not known: the rows have no labels"),
        ([], "is not known: nobody scored them"),
    ],
)  # fmt: skip
def test_the_first_line_says_whether_retraining_helps(sides: list[Beside], words: str) -> None:
    assert headline(sides).endswith(words)
