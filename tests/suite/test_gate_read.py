"""Gathering: honest folders are read, and every broken link of the chain is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.suite.judged import COLUMNS, NEW, OLD, Folders, schema_text, sha256

from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Evidence, Forged
from gitops_ml.gate.judge import judge
from gitops_ml.gate.read import gather, measurements

TODAY = date(2026, 11, 21)


def gathered(folders: Folders, **more: Any) -> Evidence:
    given = {**folders.digests, "today": TODAY, **more}
    return gather(folders.candidate, folders.scores, base=folders.base, head=folders.head, **given)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_honest_folders_are_gathered_and_judged(tmp_path: Path, kind: str) -> None:
    folders = Folders(tmp_path, kind).write()
    found = gathered(folders, protected=["policy.yaml"])
    assert found.challenger.side.sha256 == sha256(folders.model) and found.protected == ("policy.yaml",)
    assert found.champion is not None and found.champion.side.version == "1.0.0"
    assert found.policy_sha256 == sha256((folders.base / "policy.yaml").read_bytes())
    verdict = judge(found)
    assert verdict.inputs.lock == json.loads((folders.candidate / "manifest.json").read_text())["lock"]
    assert {
        c.outcome
        for c in verdict.checks
        if c.id != "data" and not c.id.startswith(("quality", "protected", "fairness", "calibration"))
    } == {"pass"}
    clock = measurements(folders.candidate, folders.scores)
    assert clock.build_seconds == {"train": 1.5} and clock.score_seconds == {
        "challenger": 0.5,
        "champion": 0.5,
    }
    assert clock.model_bytes == {"challenger": len(folders.model), "champion": 20} and clock.timings is None


def test_a_first_model_and_a_champion_without_scores(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.champion = None
    assert gathered(folders.write()).champion is None
    folders.champion = {
        "version": "1.0.0",
        "revision": "c" * 40,
        "sha256": OLD,
        "scored": None,
        "error": "no environment",
    }
    player = gathered(folders.score()).champion
    assert player is not None and player.predictions is None and player.error == "no environment"


def test_reports_that_the_build_did_not_change_come_from_the_head(tmp_path: Path) -> None:
    folders = Folders(tmp_path).write()
    manifest = json.loads((folders.candidate / "manifest.json").read_text())
    for path, content in list(folders.reports.items()):
        (folders.candidate / "files" / path).unlink()
        folders._put(folders.head / path, content)
        del manifest["files"][path]
    (folders.candidate / "manifest.json").write_text(json.dumps(manifest))
    folders.score()
    assert gathered(folders).metrics.n == 200
    # The head is the pull request's: what its author edited by hand is not what the lock names.
    target = folders.head / "reports/metrics.json"
    target.write_text(target.read_text().replace("roc_auc", "roc_auk"))
    with pytest.raises(Forged, match="edited by hand"):
        gathered(folders)


def test_groups_and_overrides_are_read(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    table = pq.read_table(pa.BufferReader(folders.objects["data/prepared/test.parquet"]))
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column("firm", pa.array([k % 20 for k in range(200)])), sink)
    folders.objects["data/prepared/test.parquet"] = sink.getvalue().to_pybytes()
    columns = {**COLUMNS, "firm": {"role": "group", "type": "integer"}}
    folders.people["schema.yaml"] = json.dumps(schema_text("binary", columns)).encode()
    entry = "{check: card, sha256: %s, owner: Ada, reason: long enough, expires: %s}"
    model = sha256(folders.model)
    (folders.head / "overrides.yaml").write_text(
        f"version: 1\noverrides:\n- {entry % (model, '2026-11-21')}\n- {entry % (NEW, '2026-11-20')}\n"
    )
    found = gathered(folders.write())
    assert found.groups is not None and found.groups.nunique() == 20
    # The last day still counts.
    assert [one.sha256 for one in found.overrides] == [model] and [one.sha256 for one in found.expired] == [
        NEW
    ]
    (folders.head / "overrides.yaml").write_text("version: 1\noverrides: [{check: card}]\n")
    with pytest.raises(Fault, match=r"overrides\.yaml is not valid"):
        gathered(folders)


def test_columns_that_the_bases_policy_names_are_read_and_judged(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    table = pq.read_table(pa.BufferReader(folders.objects["data/prepared/test.parquet"]))
    table = table.append_column("customer", pa.array([f"c{k}" for k in range(200)]))
    table = table.append_column("nested", pa.array([[k] for k in range(200)]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    folders.objects["data/prepared/test.parquet"] = sink.getvalue().to_pybytes()
    (folders.base / "policy.yaml").write_text(
        "version: 1\nenvironments: [production]\nslices: [{column: contract}, {column: nested}, {column: gone}]\n"
        "fairness: {attributes: [contract, tenure]}\n"
    )
    found = gathered(folders.write())
    assert list(found.columns.columns) == ["contract", "tenure"]
    assert found.ids is not None and found.ids[3] == "c3"
    checks = {one.id: one for one in judge(found).checks}
    assert {"slices", "fairness/contract", "fairness/tenure", "flips"} <= set(checks)
    assert checks["slices"].evidence["missing"] == ["nested", "gone"]
    assert checks["slices"].outcome in ("unknown", "fail")


# ---------------------------------------------------------------- forgeries: one broken link each


def _manifest(folders: Folders) -> None:
    path = folders.candidate / "manifest.json"
    path.write_text(path.read_text().replace("Linux", "Linus"))


def _file(folders: Folders) -> None:
    (folders.candidate / "files/reports/metrics.json").write_text("{}")


def _object(folders: Folders) -> None:
    next((folders.candidate / "objects").glob("*/*")).write_bytes(b"poison")


def _scores_manifest(folders: Folders) -> None:
    path = folders.scores / "manifest.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))


def _predictions(folders: Folders) -> None:
    folders.tables["champion"].assign(score_yes=0.1).to_parquet(folders.scores / "champion.parquet")


def _link(folders: Folders) -> None:
    path = folders.scores / "champion.parquet"
    path.rename(folders.root / "elsewhere.parquet")
    path.symlink_to(folders.root / "elsewhere.parquet")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_manifest, "swapped"),
        (_file, "files/reports/metrics.json"),
        (_object, "not what its manifest names"),
        (_scores_manifest, "scores is not the one"),
        (_predictions, "champion.parquet .champion. is not what"),
        (_link, "no plain file"),
    ],
)
def test_an_artifact_swapped_between_jobs_is_refused(
    tmp_path: Path, spoil: Callable[[Folders], None], words: str
) -> None:
    folders = Folders(tmp_path).write()
    gathered(folders)
    spoil(folders)
    with pytest.raises(Forged, match=words):
        gathered(folders)


def test_a_candidate_sealed_with_another_lock_model_or_rows_is_refused(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    with pytest.raises(Forged, match=r"dvc\.lock is blob"):
        gathered(_sealed(folders, lock="0" * 40))
    other = folders.lock()
    other["stages"]["all"]["outs"][1]["md5"] = "0" * 32
    with pytest.raises(Forged, match=r"models/model\.skops: dvc\.lock names md5 0000"):
        gathered(folders.write(other))
    # Bytes that a stage only reads are no model that a stage made.
    other = folders.lock()
    stage = other["stages"]["all"]
    stage["deps"].append(stage["outs"].pop(1))
    with pytest.raises(Forged, match="is no out of a stage"):
        gathered(folders.write(other))
    other = folders.lock()
    other["stages"]["all"]["outs"] = [o for o in other["stages"]["all"]["outs"] if "metrics" not in o["path"]]
    with pytest.raises(Forged, match=r"metrics\.json is not what dvc\.lock names .* not named at all"):
        gathered(folders.write(other))


def _sealed(folders: Folders, **manifest: Any) -> Folders:
    folders.write()
    path = folders.candidate / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **manifest}))
    return folders.score()


def test_hand_made_bytes_with_a_valid_looking_lock_are_refused(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    training = json.loads(folders.objects["models/training.json"])
    training["model"]["sha256"] = NEW
    folders.objects["models/training.json"] = json.dumps(training).encode()
    with pytest.raises(Forged, match=r"training\.json describes model 4f1c09ab"):
        gathered(folders.write())
    (tmp_path / "two").mkdir()
    folders = Folders(tmp_path / "two")
    evaluation = json.loads(folders.reports["reports/evaluation.json"])
    evaluation["model_sha256"] = NEW
    folders.reports["reports/evaluation.json"] = json.dumps(evaluation).encode()
    with pytest.raises(Forged, match=r"evaluation\.json is of model 4f1c09ab"):
        gathered(folders.write())


def test_reports_with_nan_or_no_json_are_refused(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    honest = folders.reports["reports/metrics.json"]
    for content in (b"{", honest.replace(b'"low": null', b'"low": NaN', 1)):
        folders.reports["reports/metrics.json"] = content
        with pytest.raises(Forged, match=r"metrics\.json is not JSON"):
            gathered(folders.write())


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"candidate": "0" * 64}, "scores are of candidate"),
        ({"test_rows": "0" * 64}, "scores are of test rows"),
    ],
)
def test_scores_of_something_else_are_refused(tmp_path: Path, manifest: dict[str, Any], words: str) -> None:
    folders = Folders(tmp_path).write().score(**manifest)
    with pytest.raises(Forged, match=words):
        gathered(folders)


def test_predictions_of_another_model_shape_or_number_of_rows_are_refused(tmp_path: Path) -> None:
    folders = Folders(tmp_path).write()
    said = json.loads((folders.scores / "manifest.json").read_text())
    with pytest.raises(Forged, match="scores are of model"):
        gathered(folders.score(challenger={**said["challenger"], "model_sha256": OLD}))
    champion = {**said["champion"], "scored": {**said["champion"]["scored"], "revision": "d" * 40}}
    with pytest.raises(Forged, match="another model or revision"):
        gathered(folders.score(champion=champion))
    with pytest.raises(Forged, match="no plain file"):
        gathered(folders.score(challenger={**said["challenger"], "file": "../head/schema.yaml"}))
    honest = folders.tables["challenger"]
    folders.tables["challenger"] = honest.head(199)
    with pytest.raises(Forged, match="has 199 rows"):
        gathered(folders.score())
    folders.tables["challenger"] = honest.assign(score_yes="high")
    with pytest.raises(Forged, match="does not hold numbers"):
        gathered(folders.score())


def test_the_policy_is_the_bases_and_the_heads_is_not_read(tmp_path: Path) -> None:
    folders = Folders(tmp_path).write()
    (folders.head / "policy.yaml").write_text("version: 1\nenvironments: [x]\nfloors: {roc_auc: 0.0}\n")
    (folders.base / "policy.yaml").write_text("version: 1\nenvironments: [x]\nfloors: {roc_auc: 0.9999}\n")
    assert judge(gathered(folders)).overall == "block"


def test_a_schema_behind_the_lock_or_a_link_is_refused(tmp_path: Path) -> None:
    folders = Folders(tmp_path).write()
    path = folders.head / "schema.yaml"
    text = path.read_text()
    path.write_text(text + " ")
    with pytest.raises(Forged, match=r"schema\.yaml is not what dvc\.lock names"):
        gathered(folders)
    path.unlink()
    (tmp_path / "secret").write_text(text)
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(Forged, match="no plain file"):
        gathered(folders)
