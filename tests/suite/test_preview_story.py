"""What preview tells for each kind of change, with the rooms that plan, judge and count versions given by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest

from gitops_ml.contracts.plan import Plan, PlannedStage
from gitops_ml.contracts.verdict import Check, Inputs, Side, Verdict
from gitops_ml.delivery.champion import Champion
from gitops_ml.delivery.version import Decision
from gitops_ml.errors import Fault
from gitops_ml.preview.command import preview, screen
from gitops_ml.preview.story import Rooms, checkout, lend, story

GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
OLD, NEW = "a" * 64, "b" * 64
POINTER = """\
model: churn
version: {version}
revision: "{revision}"
path: models/model.skops
sha256: "{sha}"
size: 10
image: null
verdict: pass
promoted_from: null
"""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [*GIT, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def root(project: Path) -> Path:
    """On a branch one commit ahead of main."""
    (project / ".github" / "workflows").mkdir(parents=True)
    (project / ".github" / "workflows" / "pull-request.yml").write_text("on: pull_request_target\n")
    (project / ".github" / "workflows" / "release.yml").write_text("on: {push: {branches: [main]}}\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Workflows")
    git(project, "tag", "demo@v1.0.0")
    git(project, "switch", "-qc", "work")
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# a word\n")
    git(project, "commit", "-qam", "Change")
    return project


def planned(root: Path, kind: str, **more: Any) -> Plan:
    head, base = git(root, "rev-parse", "HEAD"), git(root, "rev-parse", "main")
    facts = {
        "version": 1,
        "kind": kind,
        "head": head,
        "base": base,
        "merge_base": base,
        "lock": None,
        "stages": [],
        "check": True,
        "protected": [],
        "changed": ["params.yaml"],
        "reason": None,
        "notes": [],
    }
    return Plan.model_validate(facts | more)


def verdict(champion: bool = True, scored: bool = True) -> Verdict:
    beaten = Side(version="v1.0.0", revision="c" * 40, sha256=OLD, predictions="d" * 64 if scored else None)
    checks = [
        Check(
            id="floor/dummy", severity="block", outcome="pass", title="Better than guessing", reason="It is."
        )
    ]
    if not scored:
        checks.append(
            Check(
                id="champion/scored",
                severity="needs-human",
                outcome="unknown",
                title="The champion",
                reason="the bytes of v1.0.0 are not in the storage.",
            )
        )
    return Verdict(
        version=1,
        overall="pass" if scored else "needs-human",
        first_model=not champion,
        inputs=Inputs(
            challenger=Side(version=None, revision=None, sha256=NEW, predictions="e" * 64),
            champion=beaten if champion else None,
            test_rows="f" * 64,
            policy="1" * 64,
            lock="2" * 40,
            suite="0.1.0",
        ),
        checks=checks,
    )


def refuse(*_: Any) -> Any:
    pytest.fail("this room is not for this change")


def uses(found: Plan, **more: Callable[..., Any]) -> Rooms:
    given = Rooms(
        plan=lambda root, base: found,
        stale=refuse,
        judge=refuse,
        champion=lambda root, base: Champion("v1.0.0", "c" * 40, OLD),
        upcoming=lambda root, revision: Decision("v1.0.1", "patch", "newer data, same recipe"),
    )
    return replace(given, **more)  # type: ignore[arg-type]


def test_a_model_is_judged_and_told_with_its_version(root: Path) -> None:
    plan = planned(root, "model", stages=[PlannedStage(name="train", reasons=["params.yaml changed"])])
    told = story(root, "main", uses(plan, stale=lambda root: [], judge=lambda *_: verdict()))
    assert told.comment is not None and "**v1.0.1** (newer data, same recipe)" in told.comment
    assert told.comment.startswith("<!-- gitops-ml -->") and "(train)" in told.comment
    assert (told.version, told.commits, told.notes) == ("v1.0.1", 1, ())
    assert [(one.file, one.when) for one in told.starts if one.starts] == [
        ("pull-request.yml", "pull request"),
        ("release.yml", "merge"),
    ]
    shown = screen(root, told)
    assert "preview: made from bytes of this machine; CI builds its own" in shown
    assert "v1.0.1: newer data, same recipe" in shown and "git push -u origin work" in shown


def test_a_stale_model_is_not_shown_as_if_it_were_the_new_one(root: Path) -> None:
    plan = planned(root, "model", stages=[PlannedStage(name="train", reasons=["x"])])
    told = story(root, "main", uses(plan, stale=lambda root: ["train: params.yaml train modified"]))
    assert told.comment is None and told.version is None
    assert "the model is stale (train: params.yaml train modified)" in told.missing
    assert "gitops-ml reproduce" in screen(root, told) and "v1.0.1" not in screen(root, told)


def test_bytes_that_are_not_here_are_named_and_the_rest_is_still_told(root: Path) -> None:
    def nowhere(*_: Any) -> Verdict:
        raise Fault("the bytes of models/model.skops are in no storage.\n  gitops-ml storage pull")

    told = story(root, "main", uses(planned(root, "model"), stale=lambda root: [], judge=nowhere))
    assert told.comment is None and "models/model.skops" in told.missing and told.starts


def test_a_champion_whose_bytes_are_not_here_is_said_beside_the_comment(root: Path) -> None:
    plan = planned(root, "model")
    told = story(root, "main", uses(plan, stale=lambda root: [], judge=lambda *_: verdict(scored=False)))
    assert told.comment is not None
    assert told.notes == (
        "v1.0.0 could not be scored on this machine: the bytes of v1.0.0 are not in the storage.",
    )


def test_documentation_builds_nothing_and_asks_nobody(root: Path) -> None:
    told = story(root, "main", uses(planned(root, "none", changed=["README.md"], notes=["be kind"])))
    assert told.comment is not None and "Nothing to build" in told.comment and "v1.0.0" in told.comment
    assert told.notes == ("note: be kind",) and "  note      be kind" in screen(root, told)


def test_an_invalid_commit_is_told_as_ci_tells_it(root: Path) -> None:
    told = story(root, "main", uses(planned(root, "invalid", reason="dvc.yaml has no stages")))
    assert told.comment is not None and "Blocked" in told.comment and "dvc.yaml has no stages" in told.comment


def test_a_pointer_is_told_with_what_is_served_before_and_after(root: Path) -> None:
    path = root / "deploy" / "production" / "model.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(POINTER.format(version="v1.0.1", revision="c" * 40, sha=NEW))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Serve v1.0.1")
    plan = planned(root, "pointer", changed=["deploy/production/model.yaml"])
    told = story(root, "main", uses(plan))
    assert told.comment is not None and "Serve: v1.0.1" in told.comment and NEW[:12] in told.comment


def test_on_main_itself_there_is_nothing_to_preview_but_the_version(root: Path) -> None:
    git(root, "switch", "-q", "main")
    told = story(root, "main", uses(planned(root, "none"), plan=refuse))
    assert told.comment is None and "nothing differs from main" in told.missing
    assert told.version == "v1.0.1" and "git switch -c NAME" in screen(root, told)


def test_what_is_not_committed_is_refused(root: Path) -> None:
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "# more\n")
    with pytest.raises(Fault, match=r"not committed: params\.yaml"):
        click.testing.CliRunner().invoke(preview, [], catch_exceptions=False, standalone_mode=False)


def test_a_base_without_a_common_history_is_refused(root: Path) -> None:
    git(root, "checkout", "-q", "--orphan", "other")
    git(root, "commit", "-qm", "Alone")
    with pytest.raises(Fault, match="nothing in common"):
        story(root, "main", uses(planned(root, "none")))


def test_the_bases_checkout_has_its_tags_and_leaves_the_clone_untouched(root: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in sorted((root / ".git").rglob("*")) if path.is_file()}
    with checkout(root, git(root, "rev-parse", "main"), tmp_path / "base") as base:
        assert "# a word" not in (base / "params.yaml").read_text()
        assert git(base, "tag", "--list") == "demo@v1.0.0"
    assert {
        path: path.read_bytes() for path in sorted((root / ".git").rglob("*")) if path.is_file()
    } == before


def test_a_champions_bytes_are_lent_from_this_machines_cache(root: Path, tmp_path: Path) -> None:
    md5 = "0cc175b9c0f1b6a831c399e269772661"  # of b"a"
    (root / "dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n    - path: models/model.skops\n      md5: {md5}\n      hash: md5\n      size: 1\n"
    )
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Lock")
    stored = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"a")
    with checkout(root, "HEAD", tmp_path / "base") as base:
        lend(root, base, ["models/model.skops"])
        assert (base / "models" / "model.skops").read_bytes() == b"a"
        stored.write_bytes(b"b")  # damaged: not lent, and there is no remote to ask
        with pytest.raises(Fault):
            lend(root, base, ["models/model.skops"])
