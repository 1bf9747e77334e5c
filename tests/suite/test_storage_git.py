"""Bytes in git refs: real bare repositories on disk; what is promised of pull, push, copy and verify, and every loss."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.suite.pipelines import dvc, git

from gitops_ml import storage
from gitops_ml.errors import Fault
from gitops_ml.storage import pushing, refs, remote_git
from gitops_ml.storage.cache import Cache

STORE = "refs/dvc/store"
ACTIONS = Path(__file__).parents[2] / "actions"


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def keep(root: Path, content: bytes, md5: str | None = None) -> str:
    """An object in the cache, as DVC keeps it; ``md5``: under a name that is not its own."""
    name = md5 or md5_of(content)
    path = root / ".dvc/cache/files/md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)
    return name


def lock(outs: dict[str, tuple[str, int]]) -> str:
    lines = ["schema: '2.0'", "stages:", "  make:", "    cmd: make", "    outs:"]
    for path, (md5, size) in outs.items():
        lines += [f"    - path: {path}", "      hash: md5", f"      md5: {md5}", f"      size: {size}"]
    return "\n".join(lines) + "\n"


def describe(root: Path, contents: dict[str, bytes], message: str = "Lock") -> None:
    """Commit a lock that names these files, with their bytes in the cache."""
    outs = {path: (keep(root, content), len(content)) for path, content in contents.items()}
    (root / "dvc.lock").write_text(lock(outs), "utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-qm", message, "--allow-empty")


def folder(root: Path, contents: dict[str, bytes]) -> str:
    entries = [{"md5": keep(root, content), "relpath": name} for name, content in sorted(contents.items())]
    listing = json.dumps(entries).encode()
    return keep(root, listing, md5_of(listing) + ".dir")


def forget_cache(root: Path) -> None:
    shutil.rmtree(root / ".dvc/cache", ignore_errors=True)


def bare(root: Path) -> Path:
    return root.parent / "origin.git"


def clone(root: Path, name: str) -> Path:
    target = root.parent / name
    subprocess.run(["git", "clone", "-q", "--no-local", str(bare(root)), str(target)], check=True)
    return target


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*remote_git.TOKENS, "GITHUB_REPOSITORY", "GITOPS_ML_BLOB_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    server = tmp_path / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(server)], check=True)
    git(server, "config", "uploadpack.allowFilter", "true")
    git(server, "config", "uploadpack.allowAnySHA1InWant", "true")
    project = tmp_path / "churn"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    git(project, "remote", "add", "origin", str(server))
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n", "utf-8")
    (project / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n", "utf-8")
    (project / ".gitignore").write_text("/models/\n/data/prepared/\n", "utf-8")
    (project / "dvc.yaml").write_text("stages: {}\n", "utf-8")
    monkeypatch.chdir(project)
    return project


def two(root: Path) -> dict[str, bytes]:
    contents = {"models/model.skops": b"model" * 1000, "data/prepared/test.parquet": b"rows" * 500}
    describe(root, contents)
    git(root, "push", "-q", "origin", "main")
    return contents


def plant(root: Path, ref: str, md5: str, content: bytes | None) -> None:
    """Change one entry of a ref on the server by hand: other bytes, or none."""
    server = bare(root)
    tree: dict[str, str] = {}
    for line in git(server, "ls-tree", "-r", ref).splitlines():
        about, path = line.split("\t")
        tree[path] = about.split()[2]
    path = f"files/md5/{md5[:2]}/{md5[2:]}"
    tree.pop(path, None)
    if content is not None:
        done = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"],
            cwd=server,
            input=content,
            capture_output=True,
            check=True,
        )
        tree[path] = done.stdout.decode().strip()
    index = {**os.environ, "GIT_INDEX_FILE": str(server / "planting")}
    (server / "planting").unlink(missing_ok=True)
    entries = "".join(f"100644 {oid}\t{name}\n" for name, oid in tree.items())
    command = ["git", "update-index", "--add", "--index-info"]
    subprocess.run(command, cwd=server, env=index, input=entries.encode(), check=True)
    written = subprocess.run(["git", "write-tree"], cwd=server, env=index, capture_output=True, check=True)
    commit = git(server, "commit-tree", written.stdout.decode().strip(), "-m", "planted")
    git(server, "update-ref", ref, commit)


def served(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The blobs that each request asks the server for."""
    asked: list[set[str]] = []
    get = refs.Store.get

    def counting(self: refs.Store, blobs: object) -> set[str]:
        asked.append(set(blobs))  # type: ignore[call-overload]
        return get(self, asked[-1])

    monkeypatch.setattr(refs.Store, "get", counting)
    return asked


def test_what_is_pushed_comes_back_into_cache_and_workspace(root: Path) -> None:
    contents = two(root)
    pushed = storage.push(root, "refs/dvc/branch/main")
    assert (pushed.objects, pushed.bytes) == (2, 7000)
    other = clone(root, "other")
    report = storage.pull(other)
    assert (report.objects, report.bytes, report.files) == (2, 7000, 2)
    assert {path: (other / path).read_bytes() for path in contents} == contents
    for content in contents.values():
        assert oct(Cache(other).path(md5_of(content)).stat().st_mode & 0o777) == "0o444"
    # What is there is not asked for again, not even by a question to the server.
    shutil.rmtree(bare(root))
    again = storage.pull(other)
    assert (again.objects, again.present, again.files) == (0, 2, 0)


def test_a_clone_stays_a_plain_clone_and_small(root: Path) -> None:
    describe(root, {"models/model.skops": random.Random(1).randbytes(3_000_000)})
    git(root, "push", "-q", "origin", "main")
    before = (root / ".git/config").read_bytes()
    storage.push(root, STORE)
    other = clone(root, "other")
    assert size(other / ".git") < 200_000
    storage.pull(other)
    assert (root / ".git/config").read_bytes() == before
    assert "promisor" not in (other / ".git/config").read_text()
    assert git(other, "for-each-ref", "refs/gitops-ml", "refs/dvc") == ""
    # Nothing of the helper repositories is left, in neither.
    for project in (root, other):
        assert list((project / ".dvc/tmp/gitops-ml-store").iterdir()) == []


def test_1000_objects_go_in_one_request_and_a_part_fetches_only_what_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {f"models/{number}.bin": b"object %d" % number for number in range(1000)}
    describe(root, contents)
    git(root, "push", "-q", "origin", "main")
    assert storage.push(root, STORE).objects == 1000
    other = clone(root, "other")
    asked = served(monkeypatch)
    report = storage.pull(other, ["models/7.bin", "models/8.bin"])
    assert [len(request) for request in asked] == [2]
    assert report.objects == 2
    assert sorted(path.name for path in (other / "models").iterdir()) == ["7.bin", "8.bin"]
    asked.clear()
    assert storage.pull(other).objects == 998
    assert [len(request) for request in asked] == [998]
    assert sum(1 for path in (other / ".dvc/cache").rglob("*") if path.is_file()) == 1000
    assert storage.verify(other) == []


def test_bytes_over_the_wire_are_those_of_the_objects_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = random.Random(2).randbytes
    describe(root, {f"models/{number}.bin": make(200_000) for number in range(20)})
    storage.push(root, STORE)
    forget_cache(root)
    trace = root.parent / "trace"
    monkeypatch.setenv("GIT_TRACE_PACKFILE", str(trace))
    storage.pull(root, ["models/3.bin"])
    # Trees and commit, and then one object: of 4 MB.
    assert 200_000 < trace.stat().st_size < 230_000


def test_a_dir_is_expanded_fetched_and_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = {"a.txt": b"a", "deep/b.txt": b"bb", "empty": b""}
    md5 = folder(root, inside)
    pointer = f"outs:\n- md5: {md5}\n  nfiles: 3\n  hash: md5\n  path: images\n"
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/images.dvc").write_text(pointer, "utf-8")
    (root / ".gitignore").write_text("/data/raw/images\n", "utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Images")
    git(root, "push", "-q", "origin", "main")
    assert len(storage.needed(root)) == 4
    assert storage.push(root, STORE).objects == 4
    other = clone(root, "other")
    assert [entry.path for entry in storage.needed(other)] == ["data/raw/images"]
    asked = served(monkeypatch)
    storage.pull(other, ["data/raw/images/deep"])
    assert [len(request) for request in asked] == [1, 1]
    assert (other / "data/raw/images/deep/b.txt").read_bytes() == b"bb"
    assert not (other / "data/raw/images/a.txt").exists()
    (other / "data/raw/images/old.txt").write_bytes(b"of another version")
    keep(other, b"of another version")
    (other / "data/raw/images/mine.txt").write_bytes(b"nobody else has this")
    storage.pull(other)
    assert {name: (other / "data/raw/images" / name).read_bytes() for name in inside} == inside
    assert not (other / "data/raw/images/old.txt").exists()
    assert (other / "data/raw/images/mine.txt").exists()
    # A listing is here but one of its files is not: fetched, and named when it is lost.
    Cache(other).remove(md5_of(b"bb"))
    assert storage.pull(other).objects == 1
    Cache(other).remove(md5_of(b"bb"))
    plant(root, STORE, md5_of(b"bb"), None)
    with pytest.raises(Fault, match=r"data/raw/images/deep/b.txt .* is missing"):
        storage.pull(other)
    assert [(loss.kind, loss.path) for loss in storage.verify(other)] == [
        ("missing", "data/raw/images/deep/b.txt")
    ]


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", ".git/hooks/x", "a/../../b", ".GIT/config"])
def test_what_a_pull_request_names_cannot_leave_the_project(root: Path, path: str) -> None:
    (root / "dvc.lock").write_text(lock({path: (keep(root, b"evil"), 4)}), "utf-8")
    with pytest.raises(Fault, match="outside of the project"):
        storage.pull(root)
    listing = json.dumps([{"md5": keep(root, b"evil"), "relpath": path}]).encode()
    md5 = keep(root, listing, md5_of(listing) + ".dir")
    (root / "dvc.lock").write_text(lock({"models": (md5, 4)}), "utf-8")
    with pytest.raises(Fault, match="outside of that folder"):
        storage.pull(root)


def test_a_link_does_not_lead_out_of_the_project(root: Path) -> None:
    describe(root, {"models/model.skops": b"evil"})
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "models").symlink_to(outside)
    with pytest.raises(Fault, match="leads out of the project"):
        storage.pull(root)
    assert list(outside.iterdir()) == []


def test_changes_that_dvc_does_not_keep_are_left_alone(root: Path) -> None:
    contents = two(root)
    storage.pull(root)
    changed = root / "models/model.skops"
    changed.write_bytes(b"an hour of work")
    report = storage.pull(root)
    assert changed.read_bytes() == b"an hour of work"
    assert "models/model.skops has changes" in report.notes[0]
    keep(root, b"an hour of work")  # now DVC keeps it
    assert storage.pull(root).files == 1
    assert changed.read_bytes() == contents["models/model.skops"]


def test_files_that_git_keeps_and_uncached_outs_are_no_objects(root: Path) -> None:
    (root / "reports").mkdir()
    (root / "reports/metrics.json").write_text("{}")
    (root / "dvc.yaml").write_text(
        "stages:\n  make:\n    foreach: [1, 2]\n    do:\n      cmd: make\n      outs:\n"
        "      - out/${item}.txt:\n          cache: false\n      - models/m\n",
        "utf-8",
    )
    outs = {
        path: (keep(root, path.encode()), 3) for path in ("reports/metrics.json", "out/1.txt", "models/m")
    }
    (root / "dvc.lock").write_text(lock(outs), "utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Lock")
    assert [(entry.path, entry.stage, entry.size) for entry in storage.needed(root)] == [
        ("models/m", "make", 3)
    ]
    assert storage.needed(root, "HEAD") == storage.needed(root)


def test_an_older_revision_comes_into_the_cache_only(root: Path) -> None:
    describe(root, {"models/model.skops": b"one"})
    git(root, "tag", "churn@v1.0.0")
    storage.push(root, STORE)
    describe(root, {"models/model.skops": b"two"})
    forget_cache(root)
    assert storage.pull(root, revision="churn@v1.0.0").objects == 1
    assert Cache(root).has(md5_of(b"one"))
    assert not (root / "models").exists()
    with pytest.raises(Fault, match="no revision nowhere"):
        storage.pull(root, revision="nowhere")


def test_the_store_comes_before_other_refs_and_a_poisoned_object_hides_no_good_one(root: Path) -> None:
    describe(root, {"models/model.skops": b"good"})
    md5 = md5_of(b"good")
    for ref in ("refs/dvc/pr/7", "refs/dvc/branch/main"):
        storage.push(root, ref)
    plant(root, "refs/dvc/branch/main", md5, b"evil")
    forget_cache(root)
    report = storage.pull(root)
    assert (root / "models/model.skops").read_bytes() == b"good"
    assert report.objects == 1
    plant(root, "refs/dvc/pr/7", md5, b"bad")
    forget_cache(root)
    (root / "models/model.skops").unlink()
    with pytest.raises(Fault, match=r"models/model.skops .* is (corrupted|truncated)"):
        storage.pull(root)
    assert not (root / "models/model.skops").exists()
    assert not Cache(root).path(md5).exists()


def test_every_planted_loss_is_found_and_pushing_sets_it_right(root: Path) -> None:
    contents = {f"models/{number}": b"%d" % number * 100 for number in range(6)}
    describe(root, contents)
    git(root, "tag", "churn@v1.0.0")
    describe(root, {"models/new": b"new"})
    storage.push(root, STORE, revision="churn@v1.0.0")
    storage.push(root, "refs/dvc/branch/main")
    assert storage.verify(root) == []  # what waits for a release is no loss
    md5 = [md5_of(content) for content in contents.values()]
    plant(root, STORE, md5[0], None)
    plant(root, STORE, md5[1], b"x" * 100)
    plant(root, STORE, md5[2], b"2" * 60)
    losses = {loss.path: loss for loss in storage.verify(root)}
    assert {path: loss.kind for path, loss in losses.items()} == {
        "models/0": "missing",
        "models/1": "corrupted",
        "models/2": "truncated",
    }
    assert losses["models/1"].revisions == ("churn@v1.0.0",)
    report = storage.push(root, STORE, revision="churn@v1.0.0")
    assert report.objects == 3
    assert sum("now it is right" in note for note in report.notes) == 2
    assert storage.verify(root) == []


def test_verify_all_reads_what_no_version_names(root: Path) -> None:
    two(root)
    storage.push(root, STORE)
    storage.push(root, "refs/dvc/pr/3", [keep(root, b"forgotten")])
    plant(root, "refs/dvc/pr/3", md5_of(b"forgotten"), b"evil")
    assert storage.verify(root) == []
    assert [(loss.kind, loss.path) for loss in storage.verify(root, every=True)] == [
        ("corrupted", "refs/dvc/pr/3")
    ]


def test_an_object_that_the_server_has_lost_is_named(root: Path) -> None:
    contents = two(root)
    storage.push(root, STORE)
    md5 = md5_of(contents["models/model.skops"])
    oid = git(bare(root), "rev-parse", f"{STORE}:files/md5/{md5[:2]}/{md5[2:]}")
    (bare(root) / "objects" / oid[:2] / oid[2:]).unlink()
    assert [(loss.kind, loss.path) for loss in storage.verify(root)] == [("missing", "models/model.skops")]
    forget_cache(root)
    with pytest.raises(Fault, match=r"models/model.skops .* is missing"):
        storage.pull(root)
    assert Cache(root).has(md5_of(contents["data/prepared/test.parquet"]))


def test_damaged_bytes_are_not_pushed(root: Path) -> None:
    contents = two(root)
    keep(root, b"rotten", md5_of(contents["models/model.skops"]))
    with pytest.raises(Fault, match=r"models/model.skops .* is corrupted"):
        storage.push(root, STORE)
    assert storage.list_refs(root) == {}


def test_damage_in_this_machines_cache_is_repaired_from_the_store(root: Path) -> None:
    contents = two(root)
    storage.push(root, STORE)
    keep(root, b"rotten", md5_of(contents["models/model.skops"]))
    report = storage.pull(root)
    assert (root / "models/model.skops").read_bytes() == contents["models/model.skops"]
    assert "damaged in the cache" in " ".join(report.notes)


def test_a_file_over_the_hosts_limit_is_refused_before_the_push(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two(root)
    monkeypatch.setenv("GITOPS_ML_BLOB_LIMIT", "4999")
    with pytest.raises(Fault, match=r"(?s)models/model.skops  5 kB.*gitops-ml storage move"):
        storage.push(root, STORE)
    assert storage.list_refs(root) == {}
    monkeypatch.setenv("GITOPS_ML_BLOB_LIMIT", "5000")
    assert storage.push(root, STORE).objects == 2


def test_a_large_push_goes_in_parts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(root, {f"models/{number}": b"%d" % number * 100 for number in range(5)})
    monkeypatch.setattr(pushing, "PUSH_LIMIT", 250)
    assert storage.push(root, STORE).objects == 5
    assert git(bare(root), "rev-list", "--count", STORE) == "3"
    assert storage.verify(root) == []


def test_a_candidates_objects_are_pushed_from_its_folder(root: Path) -> None:
    source = root.parent / "objects"
    md5 = md5_of(b"challenger")
    (source / md5[:2]).mkdir(parents=True)
    (source / md5[:2] / md5[2:]).write_bytes(b"challenger")
    assert storage.push(root, "refs/dvc/pr/7", source=source).objects == 1
    assert storage.push(root, "refs/dvc/pr/7", [md5], source=source).present == 1
    (source / md5[:2] / md5[2:]).write_bytes(b"forged")
    with pytest.raises(Fault, match="corrupted"):
        storage.push(root, "refs/dvc/pr/7", source=source)
    with pytest.raises(Fault, match="cannot be found"):
        storage.push(root, "refs/dvc/pr/7", [md5_of(b"other")], source=source)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/dvc/pr/x", "refs/dvc/store/../heads/main", "store"])
def test_no_other_ref_can_be_written(root: Path, ref: str) -> None:
    two(root)
    with pytest.raises(Fault, match="is no ref of the storage"):
        storage.push(root, ref)
    with pytest.raises(Fault, match="is no ref of the storage"):
        storage.delete_ref(root, ref)


@pytest.mark.parametrize("here", [True, False], ids=["bytes here", "bytes only there"])
def test_copy_checks_everything_and_copies_or_names_each(root: Path, here: bool) -> None:
    md5 = folder(root, {"a": b"a", "b": b"b"})
    model = keep(root, b"model")
    both = [md5, model]
    storage.push(root, "refs/dvc/pr/7", [*both, md5_of(b"a"), md5_of(b"b")])
    if not here:
        forget_cache(root)
    report = storage.copy(root, both, sources=["refs/dvc/pr/7"], destination=STORE)
    assert report.objects == 4
    assert storage.copy(root, both, sources=["refs/dvc/pr/7"], destination=STORE).objects == 0
    git(bare(root), "update-ref", "-d", STORE)
    plant(root, "refs/dvc/pr/7", md5_of(b"a"), b"evil")
    plant(root, "refs/dvc/pr/7", model, None)
    with pytest.raises(Fault) as fault:
        storage.copy(root, both, sources=["refs/dvc/pr/7"], destination=STORE)
    assert f"{model}) is missing" in str(fault.value)
    assert f"{md5_of(b'a')}) is corrupted" in str(fault.value)
    assert STORE not in storage.list_refs(root)


def test_copy_sets_a_damaged_object_of_the_store_right(root: Path) -> None:
    model = keep(root, b"model")
    for ref in (STORE, "refs/dvc/pr/7"):
        storage.push(root, ref, [model])
    plant(root, STORE, model, b"evil")
    forget_cache(root)
    (root / "dvc.lock").write_text(lock({"models/m": (model, 5)}), "utf-8")
    assert storage.copy(root, [model], sources=["refs/dvc/pr/7"], destination=STORE).objects == 1
    assert storage.verify(root, [], STORE) == []
    storage.pull(root, refs=[STORE])
    assert (root / "models/m").read_bytes() == b"model"


WRITER = """
import sys
from pathlib import Path
from gitops_ml import storage
root, number = Path(sys.argv[1]), sys.argv[2]
storage.push(root, "refs/dvc/store", sys.argv[3:])
"""


def started(root: Path, code: str, *arguments: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ACTIONS)}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=root, env=env)


def test_8_concurrent_pushes_lose_nothing(root: Path) -> None:
    names = [[keep(root, b"%d %d" % (writer, number)) for number in range(5)] for writer in range(8)]
    storage.push(root, STORE, [keep(root, b"before")])
    children = [started(root, WRITER, str(root), str(number), *md5s) for number, md5s in enumerate(names)]
    assert [child.wait() for child in children] == [0] * 8
    entries = git(bare(root), "ls-tree", "-r", "--name-only", STORE).splitlines()
    assert len(entries) == 41
    assert git(bare(root), "rev-list", "--count", STORE) == "9"


KILLED = """
import os, signal, sys
from pathlib import Path
from gitops_ml import storage
from gitops_ml.storage import remote_git
root, verb, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
calls = 0
call = remote_git.call
def counting(*arguments, **named):
    global calls
    calls += 1
    if calls == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return call(*arguments, **named)
remote_git.call = counting
if verb == "push":
    storage.push(root, "refs/dvc/store")
else:
    storage.pull(root)
"""


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_killed_before_any_call_of_git_the_next_run_converges(root: Path, verb: str) -> None:
    contents = two(root)
    if verb == "pull":
        storage.push(root, STORE)
    ends = []
    for fatal in range(1, 30):
        if verb == "push":
            git(bare(root), "update-ref", "-d", STORE)
        else:
            forget_cache(root)
            shutil.rmtree(root / "models", ignore_errors=True)
        ends.append(started(root, KILLED, str(root), verb, str(fatal)).wait())
        if ends[-1] == 0:
            break
        (storage.push(root, STORE) if verb == "push" else storage.pull(root))
        assert {path.name for path in (root / ".dvc/tmp/gitops-ml-store").iterdir()} == set()
        forget_cache(root) if verb == "pull" else None
        assert storage.verify(root) == []
    assert ends[-1] == 0 and ends.count(-signal.SIGKILL) == len(ends) - 1 >= 4
    storage.pull(root)
    assert (root / "models/model.skops").read_bytes() == contents["models/model.skops"]


def test_a_lost_race_is_replayed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = keep(root, b"first"), keep(root, b"second")
    send = refs.Store._push
    races = []

    def raced(self: refs.Store, *arguments: str) -> bool:
        if not races:
            races.append(1)
            storage.push(root, STORE, [second])
        return send(self, *arguments)

    monkeypatch.setattr(refs.Store, "_push", raced)
    assert storage.push(root, STORE, [first]).objects == 1
    store = git(bare(root), "ls-tree", "-r", "--name-only", STORE).splitlines()
    assert {name.removeprefix("files/md5/").replace("/", "") for name in store} == {first, second}


@pytest.mark.parametrize("words", ["The requested URL returned error: 502", "fatal: early EOF"])
def test_what_passes_by_itself_is_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    two(root)
    call, failures = remote_git.call, []

    def failing(command: list[str], *arguments: object) -> bytes:
        if "push" in command and len(failures) < 2:
            failures.append(command)
            raise remote_git.Failed(words)
        return call(command, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(remote_git, "call", failing)
    monkeypatch.setattr(remote_git, "pause", lambda attempt: None)
    assert storage.push(root, STORE).objects == 2
    assert len(failures) == 2


def test_without_rights_the_fault_names_the_fix(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two(root)

    def refusing(command: list[str], *arguments: object) -> bytes:
        raise remote_git.Failed(
            "fatal: unable to access 'http://me:secret@h/': The requested URL returned error: 403"
        )

    monkeypatch.setattr(remote_git, "call_remote", refusing)
    with pytest.raises(Fault, match="contents: write") as fault:
        storage.push(root, STORE)
    assert "secret" not in str(fault.value)


def test_attributes_and_settings_of_a_person_do_not_touch_bytes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = root.parent / "home"
    (home / "hooks").mkdir(parents=True)
    (home / "hooks/pre-push").write_text("#!/bin/sh\nexit 1\n")
    (home / "hooks/pre-push").chmod(0o755)
    (home / "attributes").write_text("* text eol=crlf ident\n")
    (home / ".gitconfig").write_text(
        f"[core]\n autocrlf = true\n attributesFile = {home}/attributes\n hooksPath = {home}/hooks\n"
        "[push]\n followTags = true\n gpgSign = if-asked\n[commit]\n gpgSign = true\n"
        "[fetch]\n fsckObjects = true\n[transfer]\n fsckObjects = true\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    text = b"a\nb\r\nc\r$Id$\n\0" * 50
    (root / ".gitattributes").write_text("* text=auto eol=crlf\n")
    describe(root, {"models/text": text, "models/empty": b""})
    git(root, "tag", "churn@v1.0.0")
    storage.push(root, STORE)
    forget_cache(root)
    storage.pull(root)
    assert (root / "models/text").read_bytes() == text
    assert git(bare(root), "for-each-ref", "--format=%(refname)") == STORE


def test_a_token_goes_to_the_forge_only_and_never_into_a_command(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "tok-123")
    monkeypatch.setenv("GITHUB_REPOSITORY", "demo/churn")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example")
    assert "tok-123" not in str(remote_git.remote_env(root))  # a path
    git(root, "remote", "set-url", "origin", "https://elsewhere.example/demo/churn.git")
    git(root, "config", "http.https://elsewhere.example/.extraheader", "AUTHORIZATION: basic abc")
    env = remote_git.remote_env(root)
    assert "AUTHORIZATION: basic abc" in env.values()
    assert env["GIT_CONFIG_COUNT"] == "1"
    git(root, "remote", "set-url", "origin", "https://github.example/demo/churn.git")
    env = remote_git.remote_env(root)
    assert "AUTHORIZATION: basic abc" not in env.values()
    assert any(key.startswith("http.https://github.example") for key in env.values())


def test_without_a_remote_or_with_an_old_lock_the_fault_says_what_to_do(root: Path) -> None:
    two(root)
    git(root, "remote", "remove", "origin")
    with pytest.raises(Fault, match="gitops-ml publish"):
        storage.push(root, STORE)
    (root / "dvc.lock").write_text((root / "dvc.lock").read_text().replace("      hash: md5\n", ""))
    with pytest.raises(Fault, match="dvc cache migrate"):
        storage.pull(root)
    with pytest.raises(Fault, match="not UTF-8"):
        (root / "dvc.lock").write_bytes(b"\xff\xfe")
        storage.pull(root)


def test_what_nothing_names_is_told_with_what_there_is(root: Path) -> None:
    two(root)
    with pytest.raises(Fault, match=r"nothing at models/mode\.skops. It keeps data/prepared/test.parquet"):
        storage.pull(root, ["models/mode.skops"])


def test_dvc_agrees_with_what_we_wrote(root: Path) -> None:
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/table.csv").write_text("a,b\n1,2\n")
    (root / "data/raw/many").mkdir()
    for number in range(3):
        (root / f"data/raw/many/{number}").write_text(str(number))
    dvc(root, "add", "-q", "data/raw/table.csv", "data/raw/many")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Table")
    git(root, "push", "-q", "origin", "main")
    storage.push(root, "refs/dvc/branch/main")
    other = clone(root, "other")
    storage.pull(other)
    assert "up to date" in dvc(other, "status")
    assert dvc(other, "checkout") == ""


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(root: Path) -> None:
    two(root)
    place = root / ".dvc/tmp/gitops-ml-store"
    code = (
        "import sys, time; from pathlib import Path; from gitops_ml.storage.scratch import scratch\n"
        "with scratch(Path(sys.argv[1])) as folder:\n    (folder / 'x').touch(); time.sleep(60)"
    )
    children = [started(root, code, str(place)) for _ in range(2)]
    until = time.monotonic() + 20
    while len(list(place.glob("*/x"))) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    children[0].kill()
    children[0].wait()
    storage.push(root, STORE)
    assert len(list(place.glob("*/x"))) == 1
    children[1].kill()
    children[1].wait()
