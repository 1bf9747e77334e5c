"""Verdicts that come out again or do not, and versions that are proven or not: on a small repository with two releases."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite.judged import Folders, md5, sha256
from tests.suite.ruled import PIPELINE

from gitops_ml.contracts.proof import Proofs
from gitops_ml.contracts.verdict import Verdict
from gitops_ml.delivery import proofs, prove, prove_command, tree
from gitops_ml.delivery import verify as verifying
from gitops_ml.delivery.handed_over import handed_over
from gitops_ml.delivery.judgement import Built, Case, brought, by_the_gate, policy_revision
from gitops_ml.delivery.releases import Release, releases
from gitops_ml.delivery.verify import PASSED, Answer, tagged_on, verify
from gitops_ml.errors import Fault
from gitops_ml.gate import read as gate_read

DAY = "2026-11-01T12:00:00Z"
SCORE = """\
import argparse, shutil
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("model", "input", "output", "sha256"):
    parser.add_argument("--" + name)
given = parser.parse_args()
shutil.copy(Path("predictions") / Path(given.model).read_text(), given.output)
"""
POLICY = "version: 1\nenvironments: [production, staging]\n"


def git(root: Path, *arguments: str, day: str = DAY) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    env = os.environ | dict.fromkeys(["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"], day)
    done = subprocess.run(["git", *identity, *arguments], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Story:
    """v1.0.0 of the model "old", served; then v1.1.0 of "new", judged against it. ``store``: md5 -> bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.root.mkdir(parents=True)
        self.store: dict[str, bytes] = {}
        self.verdicts: dict[str, Verdict] = {}
        git(self.root, "init", "-q", "-b", "main")
        files = {
            ".gitops-ml.yaml": "answers: {project_slug: churn, package_name: churn}\n",
            "policy.yaml": POLICY,
            "dvc.yaml": PIPELINE.replace("params: [train]\n    ", ""),
            ".dvc/config": "",
            ".dvc/.gitignore": "/config.local\n/cache\n/tmp\n",
            ".gitignore": "/models\n/data\n__pycache__/\n",
            "src/churn/__init__.py": "",
            "src/churn/score.py": SCORE,
        }
        self.commit(files, "Generated")

    def commit(self, files: Mapping[str, str | bytes], message: str) -> str:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "--allow-empty", "-m", message)
        return git(self.root, "rev-parse", "HEAD")

    def release(
        self,
        version: str,
        model: str,
        files: Mapping[str, str] = {},
        today: date = date(2026, 11, 1),
        alone: bool = False,
        tag: str = "",
    ) -> Release:
        """Build, merge, judge and tag a model, as the workflows do; the judgement uses folders made by hand."""
        (self.folder / version).mkdir()
        jobs = Folders(self.folder / version, model=model.encode())
        for each in jobs.objects.values():
            self.store[md5(each)] = each
        made = {**jobs.people, **jobs.reports, "dvc.lock": json.dumps(jobs.lock()).encode()}
        jobs.write()
        made[f"predictions/{model}"] = (jobs.scores / "challenger.parquet").read_bytes()
        commit = self.commit({**made, **files}, f"Model {model}")
        # The champion is what serves at this commit.
        said = tree.plain(self.root, commit, "deploy/production/model.yaml")
        jobs.champion = None if said is None else {**_named(said), "error": None}
        jobs.write(head=commit, files={}, stages=[])
        shutil.rmtree(jobs.candidate / "files")
        content = json.loads((jobs.scores / "manifest.json").read_text())
        shutil.copy(self.root / "predictions/old", jobs.scores / "champion.parquet")
        content["challenger"] |= {"sha256": _sha(jobs.scores / "challenger.parquet"), "revision": commit}
        if said is not None:
            content["champion"]["scored"] |= {
                "sha256": _sha(jobs.scores / "champion.parquet"),
                "model_sha256": said["sha256"],
                "revision": said["revision"],
            }
        (jobs.scores / "manifest.json").write_text(json.dumps(content))
        built = Built(
            jobs.candidate, jobs.digests["candidate_digest"], jobs.scores, _sha(jobs.scores / "manifest.json")
        )
        case = Case(
            self.root, built, policy_revision(self.root, commit), brought(self.root, commit), lambda: alone
        )
        verdict = by_the_gate(case, today)
        self.verdicts[version] = verdict
        word = "override" if any(one.override for one in verdict.checks) else "pass"
        word = {"pass": word, "needs-human": "accepted", "block": "pass"}[verdict.overall]
        text = (
            f"churn {version}\n\nsha256: {sha256(model.encode())}\nlock: {verdict.inputs.lock}\n"
            f"verdict: {word}\nverdict-digest: {verdict.digest()}\nsuite: 0.1.0\n"
        )
        git(self.root, "tag", "-a", f"churn@{version}", "-m", tag or text)
        return Release(version, f"churn@{version}", commit)

    def serve(self, release: Release, environment: str = "production", **changes: Any) -> str:
        return self.commit(
            {f"deploy/{environment}/model.yaml": json.dumps(self.pointer(release, **changes))},
            f"Serve {release.version}",
        )

    def pointer(self, release: Release, **changes: Any) -> dict[str, Any]:
        model = {"v1.0.0": b"old", "v1.1.0": b"new"}[release.version]
        right = {
            "model": "churn",
            "version": release.version,
            "revision": release.commit,
            "path": "models/model.skops",
            "sha256": sha256(model),
            "size": len(model),
            "image": None,
            "verdict": "pass",
            "promoted_from": None,
        }
        return right | changes

    def pull(self, root: Path, wanted: Sequence[str] | None = None, **more: Any) -> None:
        """What the storage does: bytes by hash into cache and folder."""
        lock = json.loads((root / "dvc.lock").read_text())
        outs = {out["path"]: out["md5"] for out in lock["stages"]["all"]["outs"]}
        for path in wanted if wanted is not None else outs:
            name = outs[path]
            if path.startswith("reports/"):
                continue
            if name not in self.store:
                raise Fault(f"{path} is not in the store")
            targets = [root / ".dvc/cache/files/md5" / name[:2] / name[2:]]
            for target in [*targets, *([root / path] if more.get("checkout", True) else [])]:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.store[name])

    def verify(self, version: str, published: bytes | None = None) -> Answer:
        (release,) = [one for one in releases(self.root, "churn") if one.version == version]
        before = git(self.root, "worktree", "list")
        answer = verify(self.root, release, published=lambda _: published, pull=self.pull, install=())
        assert git(self.root, "worktree", "list") == before
        return answer


def _named(pointer: dict[str, Any]) -> dict[str, Any]:
    return {key: pointer[key] for key in ("version", "revision", "sha256", "size")}


def _sha(path: Path) -> str:
    return sha256(path.read_bytes())


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "src")
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", "src")
        story = Story(tmp_path_factory.mktemp("prove") / "story")
        story.serve(story.release("v1.0.0", "old"))
        story.serve(story.release("v1.1.0", "new"), "production")
    return story.folder


@pytest.fixture
def story(told: Path, tmp_path: Path) -> Story:
    """v1.0.0, then v1.1.0, both served one after the other, in a copy of one's own."""
    shutil.copytree(told, tmp_path / "story", symlinks=True)
    made = Story.__new__(Story)
    made.folder, made.root = tmp_path / "story", tmp_path / "story/root"
    made.store = {}
    for file in (tmp_path / "story").glob("v*/candidate/objects/*/*"):
        made.store[file.parent.name + file.name] = file.read_bytes()
    made.verdicts = {}
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Story:
    """Nothing is released yet."""
    return Story(tmp_path / "story")


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize("version", ["v1.0.0", "v1.1.0"])
def test_a_verdict_comes_out_again_from_git_and_bytes(story: Story, version: str) -> None:
    answer = story.verify(version)
    assert answer.word == "same", answer
    assert answer.expected == answer.found and "the tag records" in answer.why


def test_the_champion_is_what_it_was_then(story: Story) -> None:
    """Main serves v1.1.0 by now, and v1.1.0 was judged against v1.0.0."""
    assert tree.plain(story.root, "HEAD", "deploy/production/model.yaml")["version"] == "v1.1.0"
    seen: list[Case] = []

    def spy(case: Case, today: date | None = None) -> Verdict:
        seen.append(case)
        return by_the_gate(case, today)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "by_the_gate", spy)
        story.verify("v1.1.0")
    (case,) = seen
    given = (
        json.loads((case.built.scores / "manifest.json").read_text()) if case.built.scores.exists() else {}
    )
    assert not given, "the bench is gone"
    assert case.before == git(story.root, "rev-parse", "churn@v1.1.0^{commit}^")


def test_a_tag_that_records_another_digest_is_found_out(story: Story) -> None:
    text = git(story.root, "for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.1.0")
    commit = git(story.root, "rev-parse", "churn@v1.1.0^{commit}")
    digest = text.partition("verdict-digest: ")[2].splitlines()[0]
    git(story.root, "tag", "-f", "-a", "churn@v1.1.0", "-m", text.replace(digest, "1" * 64), commit)
    answer = story.verify("v1.1.0")
    assert answer.word == "differs" and answer.found == digest
    assert "has no verdict.json of that digest" in answer.why and answer.differs == ("the digest",)


def retag(story: Story, version: str, verdict: Verdict) -> bytes:
    """The release was made with that verdict; it is also published."""
    tag = f"churn@{version}"
    text = git(story.root, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
    digest = text.partition("verdict-digest: ")[2].splitlines()[0]
    commit = git(story.root, "rev-parse", f"{tag}^{{commit}}")
    git(story.root, "tag", "-f", "-a", tag, "-m", text.replace(digest, verdict.digest()), commit)
    return json.dumps(verdict.model_dump(mode="json")).encode()


def computed(story: Story, version: str) -> Verdict:
    found: list[Verdict] = []

    def keep(case: Case, today: date | None = None) -> Verdict:
        found.append(by_the_gate(case, today))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "by_the_gate", keep)
        story.verify(version)
    return found[0]


def test_checks_and_inputs_that_are_others_are_listed(story: Story) -> None:
    verdict = computed(story, "v1.1.0")
    first = verdict.checks[0].model_copy(update={"outcome": "unknown"})
    inputs = verdict.inputs.model_copy(update={"policy": "1" * 64})
    changed = verdict.model_copy(
        update={"inputs": inputs, "checks": [first, *verdict.checks[1:]], "overall": "needs-human"}
    )
    answer = story.verify("v1.1.0", retag(story, "v1.1.0", changed))
    assert answer.word == "differs"
    assert any(one.startswith("inputs.policy: ") and "111111111111" in one for one in answer.differs)
    outcome = verdict.checks[0].outcome
    assert f"check {first.id}: {outcome}, and the release says unknown" in answer.differs
    assert any(one.startswith("overall: ") for one in answer.differs)


def test_a_published_verdict_of_another_digest_is_not_believed(story: Story) -> None:
    verdict = computed(story, "v1.1.0")
    retag(story, "v1.1.0", verdict.model_copy(update={"overall": "block"}))
    answer = story.verify("v1.1.0", json.dumps(verdict.model_dump(mode="json")).encode())
    assert answer.word == "differs" and "no verdict.json of that digest" in answer.why
    assert story.verify("v1.1.0", b"{").word == "differs"


def test_last_digits_of_another_processor_are_no_difference(story: Story) -> None:
    verdict = computed(story, "v1.1.0")
    side = verdict.inputs.challenger.model_copy(update={"predictions": "2" * 64})
    near = [
        one.model_copy(update={"estimate": one.estimate + 1e-13}) if one.estimate else one
        for one in verdict.checks
    ]
    there = verdict.model_copy(
        update={"inputs": verdict.inputs.model_copy(update={"challenger": side}), "checks": near}
    )
    answer = story.verify("v1.1.0", retag(story, "v1.1.0", there))
    assert answer.word == "same" and "another processor" in answer.why
    assert [one.split(":")[0] for one in answer.differs] == ["inputs.challenger.predictions"]
    far = [
        one.model_copy(update={"estimate": one.estimate + 1e-3}) if one.estimate else one
        for one in verdict.checks
    ]
    away = there.model_copy(update={"checks": far})
    assert story.verify("v1.1.0", retag(story, "v1.1.0", away)).word == "differs"


def suite(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(verifying, "__version__", version)
    monkeypatch.setattr(gate_read, "__version__", version)


def test_another_suite_compares_what_it_came_to_and_what_it_rested_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = computed(story, "v1.1.0")
    suite(monkeypatch, "9.9.0")
    answer = story.verify("v1.1.0")
    assert answer.word == "same" and answer.other_suite
    assert "judged by gitops-ml 0.1.0, computed again by 9.9.0" in answer.why
    other = verdict.model_copy(update={"inputs": verdict.inputs.model_copy(update={"test_rows": "3" * 64})})
    answer = story.verify("v1.1.0", retag(story, "v1.1.0", other))
    assert answer.word == "differs" and answer.other_suite
    assert answer.differs[0].startswith("inputs.test_rows")


def test_another_suite_that_comes_to_something_else_is_said_and_no_difference(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite(monkeypatch, "9.9.0")

    def stricter(case: Case, today: date | None = None) -> Verdict:
        return by_the_gate(case, today).model_copy(update={"overall": "block"})

    monkeypatch.setattr(verifying, "by_the_gate", stricter)
    answer = story.verify("v1.1.0")
    assert answer.word == "unknown" and answer.other_suite
    assert "overall: block, and the tag records pass" in answer.why


def test_a_tag_without_a_digest_and_lost_bytes_cannot_be_computed(story: Story) -> None:
    commit = git(story.root, "rev-parse", "churn@v1.0.0^{commit}")
    git(story.root, "tag", "-f", "-a", "churn@v1.0.0", "-m", "by hand", commit)
    answer = story.verify("v1.0.0")
    assert answer.word == "unknown" and "records no verdict-digest" in answer.why
    new = story.store.pop(md5(b"new"))
    answer = story.verify("v1.1.0")
    assert answer.word == "unknown" and "models/model.skops is not in the store" in answer.why
    story.store[md5(b"new")] = new
    story.store.pop(md5(b"old"))
    answer = story.verify("v1.1.0")
    assert (
        answer.word == "unknown" and "its champion of then, v1.0.0, cannot be scored any more" in answer.why
    )
    assert "not in the store" in answer.why
    assert answer.rival_lost and prove._of_verdict(Release("v1.1.0", "churn@v1.1.0", "0" * 40), answer) == []


def test_an_override_is_honoured_by_the_day_of_the_tag(empty: Story) -> None:
    """It has expired since; on the day of the release it had not."""
    floors = POLICY + "floors: {roc_auc: 0.999999}\n"
    empty.commit({"policy.yaml": floors}, "A floor that nobody reaches")
    entry = {"check": "floor/roc_auc", "sha256": sha256(b"old"), "owner": "Ada"}
    listed = [entry | {"reason": "There is nothing better yet", "expires": "2026-11-01"}]
    release = empty.release(
        "v1.0.0", "old", {"overrides.yaml": json.dumps({"version": 1, "overrides": listed})}
    )
    verdict = empty.verdicts["v1.0.0"]
    assert [one.id for one in verdict.checks if one.override] == ["floor/roc_auc"]
    assert tagged_on(empty.root, release) == date(2026, 11, 1) < datetime.now(UTC).date()
    assert empty.verify("v1.0.0").word == "same"
    # Judged a moment before midnight, tagged a moment after it.
    text = git(empty.root, "for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0")
    git(empty.root, "tag", "-f", "-a", release.tag, "-m", text, release.commit, day="2026-11-02T00:00:05Z")
    assert tagged_on(empty.root, release) == date(2026, 11, 2)
    assert empty.verify("v1.0.0").word == "same"
    git(empty.root, "tag", "-f", "-a", release.tag, "-m", text, release.commit, day="2026-11-03T00:00:05Z")
    assert empty.verify("v1.0.0").word == "differs"


def test_who_was_alone_cannot_be_read_in_git_and_both_are_tried(empty: Story) -> None:
    """An override of the protected files counts only where nobody else could approve: the forge knew, git does not."""
    empty.serve(empty.release("v1.0.0", "old"))
    entry = {"check": "protected", "sha256": sha256(b"new"), "owner": "Ada"}
    listed = [entry | {"reason": "There is nobody else here", "expires": "2099-01-01"}]
    empty.release(
        "v1.1.0", "new", {"overrides.yaml": json.dumps({"version": 1, "overrides": listed})}, alone=True
    )
    assert [one.id for one in empty.verdicts["v1.1.0"].checks if one.override] == ["protected"]
    assert empty.verify("v1.1.0").word == "same"


def test_what_is_owed_once_production_has_changed_hands_is_a_function_of_the_commit(empty: Story) -> None:
    def severity(version: str) -> str:
        return next(one.severity for one in empty.verdicts[version].checks if one.id == "card/answers")

    # Environments are production, then staging: it is the last one, which callers use, that counts.
    first = empty.release("v1.0.0", "old")
    for environment in ("production", "staging"):
        empty.serve(first, environment)
    assert severity("v1.0.0") == "note" and not handed_over(empty.root, "HEAD")
    young = empty.release("v1.1.0", "new")
    assert severity("v1.1.0") == "note"
    empty.serve(young)
    assert not handed_over(empty.root, "HEAD")
    empty.serve(young, "staging")
    assert handed_over(empty.root, "HEAD") and not handed_over(empty.root, young.commit)
    empty.release("v1.2.0", "old")
    assert severity("v1.2.0") == "needs-human"
    # What is so today does not change what was so then.
    assert [empty.verify(version).word for version in ("v1.1.0", "v1.2.0")] == ["same", "same"]


def test_a_tag_that_says_override_may_stand_for_an_approved_one(empty: Story) -> None:
    assert PASSED["override"] == ("pass", "needs-human")
    release = empty.release("v1.0.0", "old")
    text = git(empty.root, "for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0")
    other = text.replace("suite: 0.1.0", "suite: 9.9.9")
    for word, answer in (("override", "same"), ("accepted", "unknown")):
        git(
            empty.root,
            "tag",
            "-f",
            "-a",
            release.tag,
            "-m",
            other.replace("verdict: pass", f"verdict: {word}"),
            release.commit,
        )
        _forge_digest(empty, release)
        assert empty.verify("v1.0.0").word == answer


def _forge_digest(story: Story, release: Release) -> None:
    """As another suite would have: a digest that ours does not compute."""
    text = git(story.root, "for-each-ref", "--format=%(contents)", f"refs/tags/{release.tag}")
    text = re.sub("verdict-digest: .*", f"verdict-digest: {'0' * 64}", text)
    git(story.root, "tag", "-f", "-a", release.tag, "-m", text, release.commit)


# ---------------------------------------------------------------- proofs


class Runs:
    """Stands in for serving a version: what it answers, and how often it was asked."""

    def __init__(self, **said: Any) -> None:
        self.said, self.asked = said, list[str]()

    def __call__(self, root: Path, release: Release) -> tuple[int, list[str], Answer | None]:
        self.asked.append(release.version)
        found = self.said.get(release.version.replace(".", "_"), 20)
        if isinstance(found, Fault):
            raise found
        return (20, [], found) if isinstance(found, Answer) else (found, [], Answer("same", "as recorded"))


class Whole:
    """A storage in which everything is, or nothing."""

    def __init__(self, *losses: str) -> None:
        self.losses = list(losses)

    def verify(self, root: Path, revisions: Sequence[str]) -> list[str]:
        return self.losses


def proven(story: Story, *targets: str, runs: Runs | None = None, storage: Whole | None = None) -> Any:
    wanted = [prove.Target(*one.split("=")) for one in targets]
    return prove.prove(story.root, wanted, run=runs or Runs(), storage=storage or Whole())


def test_each_environment_gets_its_proof_and_each_version_runs_once(story: Story) -> None:
    runs = Runs()
    found = proven(story, "production=v1.0.0", "staging=v1.0.0", "staging=v1.1.0", runs=runs)
    assert runs.asked == ["v1.0.0", "v1.1.0"]
    assert [(one.environment, one.version, one.rows, one.problems) for one in found.proofs.proofs] == [
        ("production", "v1.0.0", 20, []),
        ("staging", "v1.0.0", 20, []),
        ("staging", "v1.1.0", 20, []),
    ]
    one = found.proofs.proofs[0]
    assert one.sha256 == sha256(b"old") and one.revision == git(story.root, "rev-parse", "churn@v1.0.0^{}")
    assert proofs.lacking(found.proofs, "production", "v1.0.0", sha256(b"old")) == []
    assert proofs.lacking(found.proofs, "production", "v1.0.0", sha256(b"new"))
    assert proofs.lacking(found.proofs, "production", "v1.1.0", sha256(b"new"))


@pytest.mark.parametrize(
    ("target", "policy", "losses", "runs", "said"),
    [
        ("production=v9.9.9", "", (), {}, "there is no tag churn@v9.9.9: this version was never released"),
        ("production=v1.0.0", "retired: {1.0.0: it leaks}\n", (), {}, "v1.0.0 is retired: it leaks"),
        (
            "production=v1.0.0",
            "",
            ("x is truncated",),
            {},
            "x is truncated; bytes that are lost cannot be served",
        ),
        ("production=v1.0.0", "", (), {"v1_0_0": Fault("its service\nended")}, "v1.0.0: its service ended"),
        (
            "production=v1.0.0",
            "",
            (),
            {"v1_0_0": Answer("differs", "", differs=("check a: fail",))},
            "the verdict of v1.0.0 does not come out again: check a: fail",
        ),
        (
            "production=v1.0.0",
            "",
            (),
            {"v1_0_0": Answer("unknown", "no bytes")},
            "the verdict of v1.0.0 cannot be computed again: no bytes",
        ),
    ],
)
def test_what_stops_a_version_is_its_answer(
    story: Story, target: str, policy: str, losses: tuple[str, ...], runs: dict[str, Any], said: str
) -> None:
    story.commit({"policy.yaml": POLICY + policy}, "Rules")
    (one,) = proven(story, target, runs=Runs(**runs), storage=Whole(*losses)).proofs.proofs
    assert len(one.problems) == 1 and one.problems[0].startswith(said)
    assert (one.rows, one.sha256) == (0, None)
    assert proofs.lacking(Proofs(version=1, proofs=[one]), "production", one.version, sha256(b"old"))


def test_what_git_and_bytes_tell_is_not_run(story: Story) -> None:
    runs = Runs()
    story.commit({"policy.yaml": POLICY + "retired: {v1.0.0: it leaks}\n"}, "Rules")
    proven(story, "production=v1.0.0", runs=runs)
    proven(story, "production=v1.1.0", runs=runs, storage=Whole("gone"))
    assert runs.asked == []


def test_a_tag_that_records_other_bytes_is_not_served(story: Story) -> None:
    text = git(story.root, "for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0")
    commit = git(story.root, "rev-parse", "churn@v1.0.0^{commit}")
    forged = text.replace(sha256(b"old"), "1" * 64)
    git(story.root, "tag", "-f", "-a", "churn@v1.0.0", "-m", forged, commit)
    (one,) = proven(story, "production=v1.0.0").proofs.proofs
    assert "records sha256 111111111111" in one.problems[0]


def test_another_suite_is_a_note_and_no_problem(story: Story) -> None:
    runs = Runs(v1_0_0=Answer("unknown", "judged by gitops-ml 0.0.9", other_suite=True))
    found = proven(story, "production=v1.0.0", runs=runs)
    assert found.proofs.proofs[0].problems == [] and found.notes == ("v1.0.0: judged by gitops-ml 0.0.9",)


def test_a_change_is_asked_for_its_pointers(story: Story) -> None:
    (old, new) = reversed(releases(story.root, "churn"))
    git(story.root, "checkout", "-q", "-b", "topic")
    story.serve(old, "production")
    story.serve(new, "staging", size=9)
    head = story.commit({"deploy/third/model.yaml": "model: ["}, "Broken")
    git(story.root, "checkout", "-q", "main")
    story.commit({"README.md": "#"}, "Main moves on")
    targets, notes = prove.changed(story.root, "HEAD", head, Whole())
    assert [(one.environment, one.version) for one in targets] == [
        ("production", "v1.0.0"),
        ("staging", "v1.1.0"),
    ]
    assert targets[0].problems == () and "size is 9" in targets[1].problems[0]
    assert len(notes) == 1 and "deploy/third/model.yaml is removed or cannot be read" in notes[0]
    runs = Runs()
    found = prove.prove(story.root, targets, run=runs, storage=Whole()).proofs.proofs
    assert [bool(one.problems) for one in found] == [False, True] and runs.asked == ["v1.0.0"]


def test_a_long_story_is_cut_and_stays_one_output(story: Story) -> None:
    losses = [f"data/{'x' * 900} {k}" for k in range(50)]
    found = proven(story, "production=v1.0.0", storage=Whole(*losses)).proofs
    assert len(proofs.write(found)) < 6_000 and "\n" not in proofs.write(found)
    assert proofs.read(proofs.write(found)) == found


# ---------------------------------------------------------------- verbs


def called(*arguments: str) -> Any:
    verb = prove_command.prove if arguments[0] == "prove" else prove_command.verify_verdict
    return CliRunner().invoke(verb, list(arguments[1:]))


def test_the_verb_prints_a_table_and_hands_on_the_proofs(
    story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(story.root)
    output, summary = tmp_path / "output", tmp_path / "summary"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setattr(prove, "problems_of_release", lambda *given, **more: [])
    monkeypatch.setattr(prove, "by_serving", lambda root, release, published: (20, [], None))
    done = called("prove", "--target", "production=v1.0.0 staging=v7.0.0", "--target", "")
    assert done.exit_code == 0, done.output
    assert "production     v1.0.0     20 rows answered" in done.output
    assert "staging        v7.0.0     cannot be served" in done.output and "never released" in done.output
    text = output.read_text()
    assert proofs.read(next(line for line in text.splitlines() if line.startswith("{"))).proofs[1].problems
    assert "1 of 2 cannot be served" in summary.read_text()
    assert "nothing to prove" in called("prove").output


@pytest.mark.parametrize("target", ["production", "production=latest", "Prod=v1.0.0", "=v1.0.0"])
def test_a_target_that_is_none(story: Story, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.chdir(story.root)
    done = called("prove", "--target", target)
    assert isinstance(done.exception, Fault) and "production=v1.0.0" in str(done.exception)


def test_a_change_that_is_not_here(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(story.root)
    done = called("prove", "--change", "c0ffee00" * 5)
    assert isinstance(done.exception, Fault) and "is not in" in str(done.exception)


def test_the_verb_for_a_verdict(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(story.root)
    answer = Answer("same", "it is", "1" * 64, "1" * 64)
    monkeypatch.setattr(verifying, "verify", lambda root, release, published: answer)
    for name in ("v1.0.0", "1.0.0", "churn@v1.0.0"):
        done = called("verify-verdict", name)
        assert done.exit_code == 0 and "churn@v1.0.0" in done.output and "same: it is" in done.output
    answer = Answer("differs", "not it", "1" * 64, "2" * 64, ("check a: fail",))
    done = called("verify-verdict", "v1.0.0")
    assert done.exit_code == 1 and "differs: not it\n  check a: fail" in done.output
    done = called("verify-verdict", "v3.0.0")
    assert isinstance(done.exception, Fault) and "Released: v1.1.0, v1.0.0" in str(done.exception)


def test_a_release_page_that_cannot_be_read_is_none(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "GITOPS_ML_", "GH_")):
            monkeypatch.delenv(name)
    (release, _) = releases(story.root, "churn")
    assert prove_command.published(story.root, release) is None
