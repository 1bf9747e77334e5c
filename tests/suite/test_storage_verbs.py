"""move, prune, forget and the commands: what they say, what they leave, killed half-way too; and object stores by DVC."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.suite.conftest import said
from tests.suite.pipelines import dvc, git
from tests.suite.test_storage_git import (
    STORE,
    bare,
    clone,
    describe,
    folder,
    forget_cache,
    keep,
    lock,
    md5_of,
    plant,
    root,
    started,
    two,
)

from gitops_ml import storage
from gitops_ml.errors import Fault
from gitops_ml.storage import forgetting, moving, pruning
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.command import storage as command

__all__ = ["root"]  # the fixture


def yes(question: str) -> bool:
    return True


def say(*arguments: str, status: int = 0, answer: str = "") -> str:
    done = CliRunner().invoke(command, list(arguments), input=answer, catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def released(root: Path) -> dict[str, bytes]:
    """Two versions in the store, HEAD behind them; the bytes are nowhere else."""
    (root / ".gitops-ml.yaml").write_text(
        '# why\nanswers:\n  storage: "git" # where bytes live\n  task: x\n', "utf-8"
    )
    contents = {}
    for version in ("1.0.0", "1.1.0"):
        contents[version] = f"model {version}".encode()
        describe(root, {"models/model.skops": contents[version]})
        git(root, "tag", f"churn@v{version}")
        storage.push(root, STORE)
    listing = folder(root, {"a": b"aa", "b": b"bb"})
    (root / "dvc.lock").write_text(lock({"models": (listing, 4)}), "utf-8")
    git(root, "commit", "-qam", "Folder")
    storage.push(root, "refs/dvc/branch/main")
    git(root, "push", "-q", "--tags", "origin", "main")
    forget_cache(root)
    return contents


def stored(place: Path) -> set[str]:
    return {path.parent.name + path.name for path in place.glob("files/md5/??/*")}


EVERY = {md5_of(b"model 1.0.0"), md5_of(b"model 1.1.0"), md5_of(b"aa"), md5_of(b"bb")}


def test_move_copies_every_version_and_changes_the_settings_last(root: Path) -> None:
    released(root)
    place = root.parent / "bytes"
    output = say("move", str(place), "--yes")
    assert "5 objects" in output and "git commit" in output
    assert stored(place) > EVERY and len(stored(place)) == 5
    assert (root / ".gitops-ml.yaml").read_text() == (
        f'# why\nanswers:\n  storage: "{place}" # where bytes live\n  task: x\n'
    )
    config = (root / ".dvc/config").read_text()
    assert (
        config.startswith("[core]\n    remote = storage\n    analytics = false\n")
        and "verify = true" in config
    )
    assert dvc(root, "remote", "list").split() == ["storage", str(place), "(default)"]
    assert storage.kind(root) == "remote"
    # What the project does now goes there, for every version.
    forget_cache(root)
    assert storage.pull(root).objects == 3
    assert (root / "models/a").read_bytes() == b"aa"
    assert storage.pull(root, revision="churn@v1.0.0").objects == 1
    assert storage.verify(root) == []
    assert "already" in say("move", str(place), "--yes")
    with pytest.raises(Fault, match="not in git"):
        moving.move(root, "s3://other/place", yes)


def test_move_changes_nothing_unless_all_is_there_and_agreed(root: Path) -> None:
    contents = released(root)
    before = (root / ".dvc/config").read_bytes(), (root / ".gitops-ml.yaml").read_bytes()
    place = root.parent / "bytes"
    assert "nothing was changed" in say("move", str(place), answer="n\n")
    plant(root, STORE, md5_of(contents["1.0.0"]), b"x")
    with pytest.raises(Fault, match=r"cannot move without losing them:\n  models/model.skops"):
        moving.move(root, str(place), yes)
    assert ((root / ".dvc/config").read_bytes(), (root / ".gitops-ml.yaml").read_bytes()) == before
    assert not place.exists()
    for address in ("bucket", "s3://", "relative/path", "http://h/x", "s3://a b"):
        with pytest.raises(Fault, match="no address"):
            moving.move(root, address, yes)


def test_a_store_without_a_driver_names_the_package(root: Path) -> None:
    released(root)
    with pytest.raises(Fault, match=r"uv add 'dvc\[gs\]"):
        moving.move(root, "gs://bucket/path", yes)
    assert storage.kind(root) == "git"


KILLED_MOVE = """
import os, signal, sys
from pathlib import Path
from gitops_ml.storage import moving, remote
root, place, fatal = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)
owner, name = {"push": (remote, "push"), "check": (remote, "check"), "config": (moving, "_configure")}[fatal]
setattr(owner, name, die)
moving.move(root, place, lambda question: True)
"""


@pytest.mark.parametrize("moment", ["push", "config"])
def test_move_killed_half_way_converges(root: Path, moment: str) -> None:
    released(root)
    place = root.parent / "bytes"
    assert started(root, KILLED_MOVE, str(root), str(place), moment).wait() == -signal.SIGKILL
    assert storage.kind(root) == "git"
    moving.move(root, str(place), yes)
    assert stored(place) > EVERY and storage.kind(root) == "remote"


def in_remote(root: Path) -> Path:
    place = root.parent / "bytes"
    config = f"[core]\n    analytics = false\n    remote = mine\n['remote \"mine\"']\n    url = {place}\n"
    (root / ".dvc/config").write_text(config)
    return place


def test_with_an_object_store_the_same_verbs_go_through_dvc_and_every_loss_is_named(root: Path) -> None:
    place = in_remote(root)
    contents = {"models/a": b"a" * 50, "models/b": b"b" * 50, "models/c": b"c" * 50}
    describe(root, contents)
    git(root, "push", "-q", "origin", "main")
    report = storage.push(root, "refs/dvc/branch/main")
    assert (report.objects, report.bytes, report.present) == (3, 150, 0)
    assert storage.push(root, "refs/dvc/branch/main").present == 3
    assert stored(place) == {md5_of(content) for content in contents.values()}
    assert storage.list_refs(root) == {}
    forget_cache(root)
    assert storage.pull(root, ["models/a"]).objects == 1
    assert (root / "models/a").read_bytes() == contents["models/a"] and not (root / "models/b").exists()
    a, b, c = (
        place / "files/md5" / md5_of(content)[:2] / md5_of(content)[2:] for content in contents.values()
    )
    for path, content in ((a, b"x" * 50), (b, b"b" * 20)):
        path.chmod(0o644)
        path.write_bytes(content)
        path.chmod(0o444)  # DVC removes from a folder what is damaged and writable: it would be "missing"
    c.unlink()
    kinds = {loss.path: loss.kind for loss in storage.verify(root)}
    assert kinds == {"models/a": "corrupted", "models/b": "truncated", "models/c": "missing"}
    forget_cache(root)
    (root / "models/a").unlink()
    # Also where the settings do not tell DVC to verify.
    with pytest.raises(
        Fault, match=r"(?s)models/a .* is corrupted.*models/b .* is truncated.*models/c .* missing"
    ):
        storage.pull(root)
    assert not (root / "models/a").exists()
    with pytest.raises(Fault, match="is corrupted"):
        storage.copy(root, [md5_of(b"a" * 50)], sources=[], destination=STORE)
    for content in contents.values():
        keep(root, content)
    assert storage.push(root, STORE).objects == 3
    assert storage.verify(root) == []
    assert storage.copy(root, [md5_of(b"a" * 50)], sources=[], destination=STORE).where == f"in {place}"
    forgetting.forget(root, "models/a", None, yes)
    assert md5_of(contents["models/a"]) not in stored(place)


def test_forget_erases_everywhere_and_says_what_is_lost(root: Path) -> None:
    contents = released(root)
    md5 = md5_of(contents["1.0.0"])
    storage.pull(root, revision="churn@v1.0.0")
    storage.push(root, "refs/dvc/pr/7", [md5])
    tip = git(bare(root), "rev-parse", STORE)
    output = say("forget", "models/model.skops", "--revision", "churn@v1.0.0", answer="y\n")
    assert "no longer reproducible: churn@v1.0.0\n" in output
    assert "Other versions of the same path stay, in churn@v1.1.0" in output
    assert "refs/dvc/store" in output and "refs/dvc/pr/7" in output and "this machine's cache" in output
    assert tip in output and "support.github.com" in output
    assert not Cache(root).path(md5).exists()
    # No history of any ref holds it any more.
    for ref in (STORE, "refs/dvc/pr/7"):
        assert git(bare(root), "log", "--format=%H", ref, "--", f"files/md5/{md5[:2]}/{md5[2:]}") == ""
    git(bare(root), "reflog", "expire", "--expire=now", "--all")
    git(bare(root), "prune", "--expire=now")
    assert [(loss.md5, loss.kind, loss.revisions) for loss in storage.verify(root)] == [
        (md5, "missing", ("churn@v1.0.0",))
    ]
    assert storage.pull(root, revision="churn@v1.1.0").objects == 1
    again = say("forget", md5, "--yes")
    assert "nowhere" in again


def test_forget_takes_what_a_folder_holds_and_what_only_history_holds(root: Path) -> None:
    released(root)
    assert "nothing was changed" in say("forget", "models/a", answer="n\n")
    storage.pull(root)
    result = forgetting.forget(root, "models/a", None, yes)
    assert result is not None and list(result.objects) == [md5_of(b"aa")]
    assert set(result.broken) == {"the workspace", "HEAD"}
    assert (root / "models/a").exists()  # files in working folders are theirs
    plant(root, "refs/dvc/branch/main", md5_of(b"cc"), b"cc")
    tree = git(bare(root), "rev-parse", f"{STORE}^{{tree}}")
    parent = git(bare(root), "rev-parse", "refs/dvc/branch/main")
    later = git(bare(root), "commit-tree", tree, "-p", parent, "-m", "without it")
    git(bare(root), "update-ref", "refs/dvc/branch/main", later)
    result = forgetting.forget(root, md5_of(b"cc"), None, yes)
    assert result is not None and result.places == ["refs/dvc/branch/main"]
    assert git(bare(root), "rev-list", "--count", "refs/dvc/branch/main") == "1"
    result = forgetting.forget(root, "models", "HEAD", yes)
    assert result is not None and len(result.objects) == 3
    with pytest.raises(Fault, match=r"listing of models .* is stored nowhere"):
        forgetting.forget(root, "models", "HEAD", yes)
    with pytest.raises(Fault, match="DVC keeps nothing at models/x"):
        forgetting.forget(root, "models/x", "churn@v1.0.0", yes)


KILLED_FORGET = """
import os, signal, sys
from pathlib import Path
from gitops_ml.storage import forgetting, refs
root, fatal = Path(sys.argv[1]), int(sys.argv[2])
rewrite, done = refs.Store.rewrite, []
def counting(self, *arguments):
    if len(done) == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(1)
    return rewrite(self, *arguments)
refs.Store.rewrite = counting
remove = forgetting.Cache.remove
def last(self, md5):
    remove(self, md5)
    os.kill(os.getpid(), signal.SIGKILL)
forgetting.Cache.remove = last
forgetting.forget(root, "models", "HEAD", lambda question: True)
"""


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_forget_killed_half_way_converges(root: Path, moment: int) -> None:
    released(root)
    storage.pull(root)
    storage.push(root, "refs/dvc/pr/7")
    assert started(root, KILLED_FORGET, str(root), str(moment)).wait() == -signal.SIGKILL
    result = forgetting.forget(root, "models", "HEAD", yes)
    assert result is not None and len(result.objects) == 3
    for ref in storage.list_refs(root):
        names = git(bare(root), "log", "--format=", "--name-only", ref)
        for content in (b"aa", b"bb"):
            assert md5_of(content)[2:] not in names
            assert not Cache(root).path(md5_of(content)).exists()


def test_prune_lists_and_then_deletes_what_is_over_and_needed_by_nobody(root: Path) -> None:
    two(root)
    storage.push(root, "refs/dvc/branch/main")
    for ref in ("refs/dvc/branch/old/idea", "refs/dvc/pr/3", "refs/dvc/pr/4"):
        storage.push(root, ref, [keep(root, ref.encode())])
    output = say("prune", "--pr", "3")
    assert "over      refs/dvc/branch/old/idea  (its branch is gone)" in output
    assert output.strip().endswith("gitops-ml storage prune --pr 3 --yes")
    assert len(storage.list_refs(root)) == 4
    assert "deleted" in say("prune", "--pr", "3", "--yes")
    assert set(storage.list_refs(root)) == {"refs/dvc/branch/main", "refs/dvc/pr/4"}
    # Merged, and its release has not copied it yet: it stays.
    storage.push(root, "refs/dvc/pr/4")
    storage.delete_ref(root, "refs/dvc/branch/main")
    assert "a version needs 2 of its objects" in say("prune", "--pr", "4", "--yes")
    assert "refs/dvc/pr/4" in storage.list_refs(root)
    storage.push(root, STORE)
    assert pruning.prune(root, [4], delete=True).gone
    assert set(storage.list_refs(root)) == {STORE}
    assert "nothing" in say("prune")
    storage.delete_ref(root, "refs/dvc/pr/4")  # gone already


def test_the_screens(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    two(root)
    output = say("push")
    assert "pushed    2 objects, 7 kB" in output and "to refs/dvc/branch/main" in output
    assert "there     2 objects already" in say("push")
    assert "whole     every object of HEAD and of 0 released versions" in say("verify")
    other = clone(root, "other")
    (other / "models").mkdir()
    monkeypatch.chdir(other / "models")
    output = say("pull", "model.skops")
    assert "pulled    1 object, 5 kB" in output and "wrote     1 file" in output
    assert "nothing to do" in say("pull", "model.skops", "--from", "refs/dvc/branch/main")
    plant(root, "refs/dvc/branch/main", md5_of(b"model" * 1000), None)
    shutil.rmtree(other / ".dvc/cache")
    output = say("verify", status=1)
    assert "lost      1 object" in output and "models/model.skops (md5 " in output
    assert "is missing, named by HEAD" in output and "gitops-ml storage push" in output
    words = said("storage", "pull", "--from", "refs/dvc/branch/main", "model.skops", capsys=capsys)
    assert "is missing" in words and "gitops-ml reproduce" in words
    git(other, "checkout", "-q", "--detach")
    assert "--to refs/dvc/branch/NAME" in said("storage", "push", capsys=capsys)
