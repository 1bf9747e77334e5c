"""Where delivery meets other rooms: what stands in for them here has their signatures, and the real ones are called right."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.suite.delivery import FakeForge, FakeStorage, World, desk, md5, verdict

from gitops_ml import storage
from gitops_ml.delivery import judgement
from gitops_ml.delivery.judgement import Case, by_the_gate
from gitops_ml.delivery.pointer import check_pointer
from gitops_ml.delivery.release import release
from gitops_ml.errors import Fault
from gitops_ml.forge.client import Forge
from gitops_ml.gate import judge as judge_module
from gitops_ml.gate import read

OURS = {"effect", "git", "fresh", "add", "update", "merge", "state"}


@pytest.mark.parametrize(
    "name", [n for n, f in vars(FakeForge).items() if callable(f) and n not in OURS and n[0] != "_"]
)
def test_the_forge_in_memory_has_the_methods_of_the_real_one(name: str) -> None:
    def names(thing: Any) -> list[str]:
        return list(inspect.signature(getattr(thing, name)).parameters)

    assert names(FakeForge) == names(Forge)


def test_the_storage_in_memory_is_called_as_the_real_one() -> None:
    inspect.signature(storage.push).bind(Path(), "refs/dvc/store", ["0" * 32], source=Path())
    inspect.signature(storage.verify).bind(Path(), ["main"], "refs/dvc/store")
    assert {"push", "verify"} <= set(vars(FakeStorage))


def test_the_gate_judges_with_policy_and_schema_of_main_before_the_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.make(tmp_path)
    before = world.git("rev-parse", "HEAD")
    after = world.commit(
        {"policy.yaml": "version: 1\nenvironments: [staging]\n", "src/churn/x.py": "x = 1\n"}
    )
    real = inspect.signature(read.gather)
    seen: dict[str, Any] = {}

    def gather(*given: Any, **named: Any) -> str:
        seen.update(real.bind(*given, **named).arguments)
        seen["policy"] = (seen["base"] / "policy.yaml").read_text()
        seen["schema"] = (seen["base"] / "schema.yaml").read_text()
        seen["params"] = (seen["base"] / "params.yaml").read_text()
        return "evidence"

    monkeypatch.setattr(read, "gather", gather)
    monkeypatch.setattr(judge_module, "judge", lambda evidence: verdict() if evidence == "evidence" else None)
    built = world.built()
    assert by_the_gate(Case(world.root, built, before, after)) == verdict()
    assert "production" in seen["policy"] and seen["schema"] == world.git("show", "main:schema.yaml") + "\n"
    assert seen["params"] == world.git("show", f"{before}:params.yaml") + "\n"
    assert seen["history"] == world.root, "the champion's data are read from git"
    assert seen["head"] == world.root and seen["protected"] == ["policy.yaml"]
    assert seen["alone"] is False
    by_the_gate(Case(world.root, built, before, after, alone=lambda: True))
    assert seen["alone"] is True, "a lone maintainer's override counts here as it did on the pull request"
    by_the_gate(
        Case(world.root, built, after, after, alone=lambda: pytest.fail("asked where it does not matter"))
    )
    assert (seen["candidate_digest"], seen["scores_digest"]) == (built.digest, built.scores_digest)
    assert isinstance(seen["today"], date)
    assert judgement.policy_revision(world.root, before) == before, "the first commit has no main before it"


@pytest.mark.parametrize(
    "writers, merged, wanted",
    [
        (["ada"], True, True),
        (["ada", "bob"], True, False),
        (["bob"], True, False),
        ([], True, False),
        (["ada"], False, False),
    ],
)
def test_whoever_brought_a_change_is_alone_where_nobody_else_may_write(
    writers: list[str], merged: bool, wanted: bool
) -> None:
    people = [{"login": name, "permissions": {"push": True}} for name in writers]
    people.append({"login": "eve", "permissions": {"push": False}})
    commit = "0" * 40
    pull = SimpleNamespace(author="ada", merged=merged)
    faked = SimpleNamespace(
        api=SimpleNamespace(pages=lambda path: iter(people if path == "collaborators" else [])),
        pulls_of=lambda sha: [pull] if sha == commit else [],
    )
    assert judgement.brought_alone(faked, commit) is wanted  # type: ignore[arg-type]
    assert judgement.brought_alone(faked, "1" * 40) is False, "nobody knows who pushed past the rule"  # type: ignore[arg-type]


def test_a_release_with_the_real_storage_leaves_bytes_that_a_pointer_can_rely_on(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.commit({".dvc/config": "[core]\n    analytics = false\n", ".dvc/.gitignore": "/tmp\n/cache\n"})
    forge = FakeForge(world)
    at = dataclasses.replace(desk(forge), storage=storage)
    outcome = release(at, world.built())
    assert outcome.version == "v1.0.0"
    listed = forge.git("ls-tree", "-r", "--name-only", "refs/dvc/store").splitlines()
    assert len(listed) == len(world.objects())
    world.git("fetch", "-q", "origin", "+refs/tags/*:refs/tags/*", "+refs/heads/*:refs/remotes/origin/*")
    assert check_pointer(world.root, "main", "origin/deploy/production") == []
    forge.git("update-ref", "-d", "refs/dvc/store")
    assert len(check_pointer(world.root, "main", "origin/deploy/production")) == len(world.objects())


def test_a_table_that_a_person_keeps_under_dvc_comes_into_the_store_with_the_release(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    table = b"a,b\n1,2\n"
    name = md5(table)
    pointer = f"outs:\n- md5: {name}\n  size: {len(table)}\n  hash: md5\n  path: own.csv\n"
    files = {".dvc/config": "[core]\n    analytics = false\n", ".dvc/.gitignore": "/tmp\n/cache\n"}
    world.commit({**files, "data/raw/own.csv.dvc": pointer})
    forge = FakeForge(world)
    at = dataclasses.replace(desk(forge), storage=storage)
    with pytest.raises(Fault, match=r"own\.csv"):
        release(at, world.built())
    assert not forge.git("tag"), "a version never names what nobody has"
    objects = tmp_path / "given" / name[:2] / name[2:]
    objects.parent.mkdir(parents=True)
    objects.write_bytes(table)
    storage.push(world.root, "refs/dvc/branch/main", [name], source=tmp_path / "given")
    assert release(at, world.built()).version == "v1.0.0"
    listed = forge.git("ls-tree", "-r", "--name-only", "refs/dvc/store").splitlines()
    assert f"files/md5/{name[:2]}/{name[2:]}" in listed
