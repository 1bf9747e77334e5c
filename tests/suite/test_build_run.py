"""The build and its seal: what runs, what cannot help a forger, what a killed build leaves."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite import pipelines, runs
from tests.suite.pipelines import git
from tests.suite.test_build_world import World, commit, edit, head, paths, world  # noqa: F401 - fixtures

from gitops_ml.build import command, environment, merge, run, synthetic
from gitops_ml.build.plan import plan
from gitops_ml.build.run import build
from gitops_ml.build.seal import Sealed
from gitops_ml.build.sealed import model_file, opened
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault

ALL = ["prepare", "train", "evaluate", "card"]


def quiet(text: str) -> None:
    """Nobody listens."""


def made(world: World, root: Path, out: Path, **more: Any) -> Sealed:
    sealed = build(root, out, **{"isolated": True, "pull": world.pull, "say": quiet, **more})
    assert sealed is not None
    return sealed


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# ---------------------------------------------------------------- what runs


def test_a_changed_param_is_built_from_a_bare_clone_and_twice_the_same(
    world: World, head: Path, tmp_path: Path
) -> None:
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 8"))
    git(head, "clone", "-q", str(head), str(tmp_path / "again"))
    sealed = made(world, head, tmp_path / "one", stages=["train"])
    found = sealed.candidate
    assert found.stages == ["train", "evaluate", "card"]
    assert sorted(found.seconds) == ["card", "evaluate", "train"]
    assert model_file(tmp_path / "one", found).read_bytes() == b"model 8"
    assert {"dvc.lock", "MODEL_CARD.md", "reports/metrics.json", "reports/evaluation.json"} <= {*found.files}
    assert "reports/data_profile.json" not in found.files  # it did not change
    assert {entry.path for entry in found.objects} == {
        "data/prepared/train.parquet", "data/prepared/test.parquet", "models/model.skops", "models/training.json"
    }  # fmt: skip
    assert opened(tmp_path / "one", sealed.digest) == found
    assert found.head == git(head, "rev-parse", "HEAD")
    assert found.lock == git(head, "hash-object", "dvc.lock")
    again = made(world, tmp_path / "again", tmp_path / "two", stages=["train"])
    left, right = files(tmp_path / "one"), files(tmp_path / "two")
    assert left.pop("manifest.json") and right.pop("manifest.json")
    assert left == right
    assert again.candidate.lock == found.lock


def test_what_ci_committed_needs_no_second_commit(world: World, head: Path, tmp_path: Path) -> None:
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 8"))
    made(world, head, tmp_path / "one", stages=ALL)
    lock = (head / "dvc.lock").read_text()
    pipelines.dvc(head, "repro", "-q")  # a person's own run says the same, in the same bytes
    assert (head / "dvc.lock").read_text() == lock
    git(head, "commit", "-qam", "built")
    sealed = made(world, head, tmp_path / "two", stages=["train"], pull=filled(world, tmp_path / "one"))
    assert (sealed.changed, sealed.candidate.files, sealed.candidate.removed) == (False, {}, [])


def filled(world: World, candidate: Path) -> Any:
    """The store, after a judge put the candidate's objects into it."""
    store = candidate.parent / "store"
    shutil.copytree(world.store, store, dirs_exist_ok=True)
    shutil.copytree(candidate / "objects", store / "files/md5", dirs_exist_ok=True)
    return World(world.origin, store, world.source).pull


def test_nothing_to_run_is_sealed_for_the_judge(world: World, head: Path, tmp_path: Path) -> None:
    sealed = made(world, head, tmp_path / "c", stages=[], python="/no/such/python")
    assert (sealed.candidate.stages, sealed.changed) == ([], False)
    assert opened(tmp_path / "c", sealed.digest).model.path == "models/model.skops"


def test_other_rows_run_what_follows(world: World, head: Path, tmp_path: Path) -> None:
    """Prepared rows stay the same here, so train and its results are taken as they are, from the storage."""
    source = world.source.read_text() + "2,monthly,no\n"
    (tmp_path / "new.csv").write_text(source)
    pipelines.dvc(head, "import-url", "-q", "--force", str(tmp_path / "new.csv"), "data/raw/churn.csv")
    git(head, "commit", "-qam", "rows")
    pull = filled_from(head, world, tmp_path)
    shutil.rmtree(head / "data/raw/churn.csv", ignore_errors=True)
    (head / "data/raw/churn.csv").unlink(missing_ok=True)
    names = plan(head, "origin/main", dvc=[sys.executable, "-I", "-m", "dvc"]).names
    assert names == ["prepare"]
    sealed = made(world, head, tmp_path / "c", stages=names, pull=pull)
    assert sealed.candidate.stages == ["prepare"]
    assert list(sealed.candidate.files) == ["dvc.lock"]
    assert model_file(tmp_path / "c", sealed.candidate).read_bytes() == b"model 7"


def filled_from(root: Path, world: World, tmp_path: Path) -> Any:
    shutil.copytree(world.store, tmp_path / "store")
    shutil.copytree(root / ".dvc/cache", tmp_path / "store", dirs_exist_ok=True)
    return World(world.origin, tmp_path / "store", world.source).pull


def test_a_failing_stage_leaves_lock_and_candidate_alone(world: World, head: Path, tmp_path: Path) -> None:
    commit(head, {"broken": "x"})
    lock = (head / "dvc.lock").read_bytes()
    (tmp_path / "c").mkdir()
    (tmp_path / "c/old").write_text("old")
    with pytest.raises(Fault, match=r"stage prepare failed(.|\n)*stage broken on purpose"):
        made(world, head, tmp_path / "c", stages=ALL)
    assert (head / "dvc.lock").read_bytes() == lock
    assert files(tmp_path / "c") == {"old": b"old"}
    assert not (head / ".dvc/config.local").exists()
    with pytest.raises(Fault, match="no stage nope"):
        made(world, head, tmp_path / "c", stages=["nope"])


def test_missing_bytes_are_named(world: World, head: Path, tmp_path: Path) -> None:
    empty = World(world.origin, tmp_path / "empty", world.source)
    with pytest.raises(Fault, match=r"models/model\.skops is not in the store|is not in the store"):
        made(empty, head, tmp_path / "c", stages=["card"])
    with pytest.raises(Fault, match=r"in no storage"):
        made(empty, head, tmp_path / "c", stages=[], pull=lambda *a, **k: None)


# ---------------------------------------------------------------- what cannot help a forger


def test_hand_made_bytes_run_caches_and_settings_do_not_help(
    world: World, head: Path, tmp_path: Path
) -> None:
    """A laptop makes another model and commits it with its lock, its cache, its run-cache and its settings."""
    honest = (head / "make.py").read_text()
    runs.write(head, {"make.py": honest.replace('b"model "', 'b"forged "')})
    world.pull(head, ["data/raw/churn.csv"])
    pipelines.dvc(head, "repro", "-q", "--force")
    shutil.copytree(head / ".dvc/cache", head / "planted")
    runs.write(head, {"make.py": honest, ".dvc/config.local": "[cache]\n    dir = ../planted\n"})
    git(
        head,
        "add",
        "-f",
        "--",
        "dvc.lock",
        "reports",
        "MODEL_CARD.md",
        "planted",
        ".dvc/cache",
        ".dvc/config.local",
    )
    git(head, "commit", "-qm", "forged")
    for name in ("victim", "ci"):
        git(head, "clone", "-q", str(head), str(tmp_path / name))
    assert (tmp_path / "ci/.dvc/cache/runs").is_dir()
    pipelines.dvc(
        tmp_path / "victim", "checkout", "-q", "models/model.skops"
    )  # who believes what lies there gets the forger's model
    assert (tmp_path / "victim/models/model.skops").read_bytes() == b"forged 7"
    found = plan(tmp_path / "ci", "origin/main~1", dvc=[sys.executable, "-I", "-m", "dvc"])
    assert found.names == ["train", "evaluate", "card"]
    assert found.protected == [".dvc/config.local"]
    sealed = made(world, tmp_path / "ci", tmp_path / "c", stages=found.names)
    assert model_file(tmp_path / "c", sealed.candidate).read_bytes() == b"model 7"
    assert sealed.candidate.lock == git(world.origin, "rev-parse", "HEAD:dvc.lock")


def test_poisoned_bytes_under_the_right_name_are_refused(world: World, head: Path, tmp_path: Path) -> None:
    def poison(root: Path, wanted: Any = None, **more: Any) -> None:
        world.pull(root, wanted, **more)
        for path in (root / "models/model.skops", *run.cache_folder(root).rglob("*")):
            if path.is_file() and path.read_bytes() == b"model 7":
                path.write_bytes(b"model 9")

    with pytest.raises(Fault, match=r"models/model\.skops are not what dvc\.lock names"):
        made(world, head, tmp_path / "c", stages=[], pull=poison)
    assert not (tmp_path / "c").exists()
    assert list(tmp_path.glob(".c*")) == []


def test_a_poisoned_table_is_refused_before_anything_runs(world: World, head: Path, tmp_path: Path) -> None:
    def poison(root: Path, wanted: Any = None, **more: Any) -> None:
        world.pull(root, wanted, **more)
        (root / "data/raw/churn.csv").write_text("tenure,contract,churned\n9,monthly,no\n")

    with pytest.raises(Fault, match=r"churn\.csv is not what"):
        made(world, head, tmp_path / "c", stages=ALL, pull=poison)


def test_a_stage_that_edits_what_people_own_is_refused(world: World, head: Path, tmp_path: Path) -> None:
    text = (head / "make.py").read_text() + "\nPath('policy.yaml').write_text('version: 1')\n"
    commit(head, {"make.py": text})
    with pytest.raises(Fault, match=r"changed files that people own: policy\.yaml"):
        made(world, head, tmp_path / "c", stages=["card", "evaluate"])


def test_project_code_sees_no_token_and_cannot_command_the_runner(
    world: World, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GITOPS_ML_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
    ]
    names += [
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_STATE",
        "GITHUB_STEP_SUMMARY",
        "GIT_CONFIG_COUNT",
    ]
    names += ["AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "GIT_ASKPASS", "MY_API_KEY"]
    for name in names:
        monkeypatch.setenv(name, "secret" if name != "GIT_CONFIG_COUNT" else "0")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    text = (head / "make.py").read_text()
    dump = "\nPath('reports/metrics.json').read_text(); print('::set-output name=digest::forged')\nprint('SEEN', *os.environ)\n"
    commit(head, {"make.py": text + dump})
    said: list[str] = []
    made(world, head, tmp_path / "c", stages=["evaluate"], say=said.append)
    seen = next(line for line in said if line.startswith("SEEN")).split()
    assert not {*names} & {*seen}
    assert {"TOKENIZERS_PARALLELISM", "PATH", "HOME"} <= {*seen}
    stop = next(i for i, line in enumerate(said) if line.startswith("::stop-commands::"))
    word = said[stop].removeprefix("::stop-commands::")
    assert stop < said.index("::set-output name=digest::forged") < said.index(f"::{word}::")


def test_own_settings_of_a_job_survive(world: World, head: Path, tmp_path: Path) -> None:
    own = "['remote \"storage\"']\n    password = x\n"
    (head / ".dvc/config.local").write_text(own)
    seen: list[str] = []

    def pull(root: Path, wanted: Any = None, **more: Any) -> None:
        seen.append((root / ".dvc/config.local").read_text())
        world.pull(root, wanted, **more)

    made(world, head, tmp_path / "c", stages=[], pull=pull)
    assert "password = x" in seen[0] and str(head) not in seen[0]
    assert (head / ".dvc/config.local").read_text() == own


# ---------------------------------------------------------------- the seal


@pytest.fixture
def candidate(world: World, head: Path, tmp_path: Path) -> tuple[Path, Sealed]:
    lock = (head / "dvc.lock").read_text()
    commit(head, {"dvc.lock": lock + "# a person's hand\n", "reports/metrics.json": None})
    git(head, "checkout", "-q", "HEAD~1", "--", "reports/metrics.json")
    sealed = made(world, head, tmp_path / "candidate", stages=[])
    assert list(sealed.candidate.files) == ["reports/metrics.json"]
    return tmp_path / "candidate", sealed


def first_object(folder: Path) -> Path:
    return next(path for path in sorted((folder / "objects").rglob("*")) if path.is_file())


def manifest(folder: Path, change: Any) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def test_a_tampered_candidate_is_refused(candidate: tuple[Path, Sealed], tmp_path: Path) -> None:
    folder, sealed = candidate
    assert opened(folder, sealed.digest)

    def add(content: dict[str, Any]) -> None:
        content["files"]["policy.yaml"] = "0" * 64

    def escape(content: dict[str, Any]) -> None:
        content["files"]["reports/../../x"] = "0" * 64

    def swap_model(content: dict[str, Any]) -> None:
        content["model"]["sha256"] = "0" * 64

    def remove(content: dict[str, Any]) -> None:
        content["removed"] = ["policy.yaml"]

    tampers: list[tuple[Any, str]] = [
        (lambda f: first_object(f).write_bytes(b"x"), "not what its manifest names"),
        (lambda f: first_object(f).unlink(), "is missing"),
        (lambda f: (f / "files/reports/metrics.json").write_text("{}"), "not what its manifest names"),
        (lambda f: (f / "files/policy.yaml").write_text("x"), "which its manifest does not name"),
        (lambda f: (f / "files/reports/metrics.json").unlink() or (f / "files/reports/metrics.json").symlink_to("/etc/hostname"), "symbolic link"),
        (lambda f: manifest(f, add), "no derived file"),
        (lambda f: manifest(f, escape), "no derived file"),
        (lambda f: manifest(f, swap_model), "model is not"),
        (lambda f: manifest(f, remove), "not derived"),
        (lambda f: (f / "manifest.json").unlink(), "no candidate"),
    ]  # fmt: skip
    for number, (tamper, words) in enumerate(tampers):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(folder, copy)
        tamper(copy)
        with pytest.raises(Fault, match=words):
            opened(copy)
    manifest(folder, lambda content: content.update(suite="9.9.9"))
    with pytest.raises(Fault, match="swapped"):
        opened(folder, sealed.digest)


def test_links_hidden_files_and_large_files_are_not_sealed(
    world: World, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (head / "reports/metrics.json").unlink()
    (head / "reports/metrics.json").symlink_to("/etc/hostname")
    with pytest.raises(Fault, match="symbolic link"):
        made(world, head, tmp_path / "c", stages=[])
    (head / "reports/metrics.json").unlink()
    git(head, "checkout", "-q", "--", "reports")
    monkeypatch.setattr("gitops_ml.build.seal.LIMIT", 10)
    with pytest.raises(Fault, match="100 MB"):
        made(world, head, tmp_path / "c", stages=[])
    (head / "reports").rename(head / "elsewhere")
    (head / "reports").symlink_to("elsewhere")
    with pytest.raises(Fault, match="symbolic link"):
        made(world, head, tmp_path / "c", stages=[])


def test_results_in_git_outside_of_reports_are_refused(world: World, head: Path, tmp_path: Path) -> None:
    old = "outs: [models/model.skops, models/training.json]"
    new = "outs:\n      - models/model.skops\n      - models/training.json\n      - params.yaml.copy: {cache: false}"
    commit(head, edit(head, "dvc.yaml", old, new))
    text = (head / "make.py").read_text() + "\nPath('params.yaml.copy').write_text('x')\n"
    commit(head, {"make.py": text})
    with pytest.raises(Fault, match=r"params\.yaml\.copy in git"):
        made(world, head, tmp_path / "c", stages=["train"])


def test_the_verb_says_what_it_made(
    world: World, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setattr(run, "_storage_pull", world.pull)
    arguments = ["--head", str(head), "--out", str(tmp_path / "c"), "--mode", "stages", "--stages", ""]
    done = CliRunner().invoke(command.build, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    outputs = dict(line.split("=", 1) for line in (tmp_path / "out").read_text().splitlines())
    assert outputs["changed"] == "false"
    assert opened(tmp_path / "c", outputs["digest"]).lock == outputs["lock"]
    assert len(outputs["model-sha256"]) == 64
    for wrong in (["--stages", "a", "--mode", "all"], ["--mode", "refresh"]):
        assert isinstance(CliRunner().invoke(command.build, ["--head", str(head), *wrong]).exception, Fault)


def test_a_killed_build_leaves_nothing_and_the_next_one_is_whole(
    world: World, head: Path, tmp_path: Path
) -> None:
    (head / "slow").write_text("30")
    code = (
        "import sys; from pathlib import Path; from tests.suite.test_build_world import World\n"
        "from gitops_ml.build.run import build\n"
        "a = [Path(p) for p in sys.argv[1:]]\n"
        "build(a[3], a[4], stages=['train'], isolated=True, pull=World(*a[:3]).pull)\n"
    )
    arguments = [world.origin, world.store, world.source, head, tmp_path / "c"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}:{os.environ['PYTHONPATH']}"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as child:
        until = time.monotonic() + 30
        while not (head / "started").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)
    assert (head / "started").read_text() == "train"
    assert not (tmp_path / "c").exists()
    (head / "slow").unlink()
    sealed = made(world, head, tmp_path / "c", stages=["train"])
    assert opened(tmp_path / "c", sealed.digest).model.sha256 == sealed.candidate.model.sha256
    assert not (head / ".dvc/config.local").exists() or "cache" in (head / ".dvc/config.local").read_text()
    assert git(head, "diff", "--stat") == ""


# ---------------------------------------------------------------- newer rows, and main merged in


def test_update_without_news_is_nothing_and_with_news_a_candidate(
    world: World, head: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.csv"
    shutil.copy(world.source, source)
    commit(head, edit(head, "data/raw/churn.csv.dvc", source_in(head), str(source)))
    os.utime(source, (1, 1))  # looks another, is the same
    assert build(head, tmp_path / "c", update=True, isolated=True, pull=world.pull, say=quiet) is None
    assert git(head, "status", "--porcelain") == ""
    assert not (tmp_path / "c").exists()
    source.write_text(source.read_text() + "2,monthly,no\n")
    sealed = made(world, head, tmp_path / "c", update=True)
    assert list(sealed.candidate.files) == ["data/raw/churn.csv.dvc", "dvc.lock"]
    table = next(entry for entry in sealed.candidate.objects if entry.path == "data/raw/churn.csv")
    assert (tmp_path / "c/objects" / table.md5[:2] / table.md5[2:]).read_text() == source.read_text()
    source.unlink()
    git(head, "checkout", "-q", ".")
    with pytest.raises(Fault, match=r"the source of data/raw/churn\.csv could not be read"):
        made(world, head, tmp_path / "c", update=True)


def source_in(root: Path) -> str:
    text = (root / "data/raw/churn.csv.dvc").read_text()
    return text.split("deps:")[1].split("path: ")[1].splitlines()[0]


def test_conflicting_locks_are_merged_and_built_anew(world: World, head: Path, tmp_path: Path) -> None:
    git(head, "checkout", "-q", "-b", "other")
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 9"))
    made(world, head, tmp_path / "main", stages=["train"])
    git(head, "add", "-A", "--", "dvc.lock", "reports", "MODEL_CARD.md")
    git(head, "commit", "-qm", "main moved")
    other = git(head, "rev-parse", "HEAD")
    git(head, "checkout", "-q", "main")
    commit(head, edit(head, "model_card.yaml", "Pricing.", "Pricing, hiring."))
    shutil.rmtree(head / "models")
    made(world, head, tmp_path / "mine", stages=["card"])
    git(head, "add", "-A", "--", "dvc.lock", "reports", "MODEL_CARD.md")
    git(head, "commit", "-qm", "mine")
    here = git(head, "rev-parse", "HEAD")
    shutil.rmtree(head / "models")
    shutil.rmtree(head / "data/prepared")
    result = merge.merge(head, here, other)
    assert "dvc.lock" in result.taken
    assert merge.merge(head, here, other) == result
    sealed = made(world, head, tmp_path / "c", merge=other, pull=filled(world, tmp_path / "main"))
    found = sealed.candidate
    assert (found.head, found.merged) == (here, other)
    assert found.stages == ["card"]
    assert model_file(tmp_path / "c", found).read_bytes() == b"model 9"
    assert b"hiring" in (tmp_path / "c/files/MODEL_CARD.md").read_bytes()
    assert {"reports/metrics.json", "dvc.lock"} <= {*found.files}  # everything, whatever the merge made of it
    assert git(head, "rev-parse", "HEAD") == here


def test_conflicts_of_people_are_theirs(head: Path, world: World, tmp_path: Path) -> None:
    other = commit(head, edit(head, "params.yaml", "seed: 7", "seed: 9"))
    git(head, "reset", "-q", "--hard", "HEAD~1")
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 8"))
    before = git(head, "status", "--porcelain")
    with pytest.raises(Fault, match=r"params\.yaml(.|\n)*git merge origin/main"):
        made(world, head, tmp_path / "c", merge=other)
    assert git(head, "status", "--porcelain") == before
    (head / "params.yaml").write_text("mine: 1\n")
    with pytest.raises(Fault, match="uncommitted"):
        merge.check_out(head, "HEAD")


# ---------------------------------------------------------------- rows made up


SCHEMA = {
    "version": 1,
    "task": "classification",
    "file": {"format": "csv", "delimiter": ";", "decimal": ",", "encoding": "latin-1"},
    "columns": {
        "key": {"role": "id", "type": "text"},
        "when": {"role": "time", "type": "datetime"},
        "who": {"role": "group", "type": "category"},
        "n": {"role": "feature", "type": "number", "minimum": 2, "maximum": 3, "nullable": True},
        "i": {"role": "feature", "type": "integer", "maximum": -5},
        "b": {"role": "feature", "type": "boolean"},
        "c": {"role": "feature", "type": "category", "categories": ["ä", "x;y"]},
        "t": {"role": "feature", "type": "text"},
        "skip": {"role": "ignored", "type": "number"},
        "y": {"role": "target", "type": "integer", "categories": [0, 1, 2]},
    },
}


def test_made_up_rows_keep_the_contract() -> None:
    table = synthetic.make(SchemaFile.parse(SCHEMA, "s"), 300)
    assert list(table) == list(SCHEMA["columns"])  # type: ignore[call-overload]
    assert len({*table["key"]}) == 300
    assert table["when"] == sorted(table["when"])
    numbers = [value for value in table["n"] if value is not None]
    assert 0 < 300 - len(numbers) < 60 and 2 <= min(numbers) <= max(numbers) <= 3
    assert max(table["i"]) <= -5 and None not in table["i"]
    assert {*table["c"]} == {"ä", "x;y"} and {*table["y"]} == {0, 1, 2} and {*table["b"]} == {True, False}
    assert table == synthetic.make(SchemaFile.parse(SCHEMA, "s"), 300)


def test_made_up_rows_are_written_as_the_schema_says_and_never_over_a_table(head: Path) -> None:
    (head / "schema.yaml").write_text(json.dumps(SCHEMA))
    (head / "params.yaml").write_text(
        "data: {table: data/raw/churn.csv, split: {strategy: random, test_size: 0.3, seed: 1}}\n"
    )
    path = synthetic.write(head, 50)
    assert path == head / "data/raw/churn.csv"
    lines = path.read_text("latin-1").splitlines()
    assert len(lines) == 51 and lines[0].startswith("key;when;who")
    assert '"x;y"' in path.read_text("latin-1") and ";2," in path.read_text("latin-1")
    assert synthetic.write(head, 50) is None
    git(head, "add", "-f", "data/raw/churn.csv")
    path.unlink()
    assert synthetic.write(head, 50) is None


def test_a_fork_runs_every_stage_on_them(head: Path) -> None:
    text = (head / "params.yaml").read_text()
    split = "\n  split: {strategy: random, test_size: 0.3, seed: 1}\ntrain"
    commit(head, {"params.yaml": text.replace("\ntrain", split)})
    pointer = (head / "data/raw/churn.csv.dvc").read_bytes()
    done = CliRunner().invoke(command.build, ["--head", str(head), "--mode", "fork"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.output.startswith("synthetic rows: numbers mean nothing")
    assert "ran: prepare, train, evaluate, card (synthetic rows: numbers mean nothing)" in done.output
    assert (head / "data/raw/churn.csv.dvc").read_bytes() == pointer
    assert (head / "models/model.skops").exists()


# ---------------------------------------------------------------- environments


def test_dvc_is_never_the_checkouts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.dvc_of(tmp_path)[0] == sys.executable
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Fault, match="uv sync"):
        environment.dvc_of(tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert environment.dvc_of(tmp_path) == [str(python), "-I", "-m", "dvc"]
    assert environment.python_of(tmp_path) == str(python)


def test_outputs_stay_one_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    environment.outputs(kind="a\nbuild=true", model_sha256="x", check=False, stages=["a", "b"])
    assert (tmp_path / "out").read_text() == "kind=a build=true\nmodel-sha256=x\ncheck=false\nstages=a,b\n"
