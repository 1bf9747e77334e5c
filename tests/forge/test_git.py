"""git against the forge: round trips, partial clones, races, and what a push is refused for."""

from __future__ import annotations

import gzip
import http.client
import threading

import pytest
from tests.forge import Forge
from tests.forge.conftest import World


def test_clone_push_and_clone_again(world: World) -> None:
    clone = world.clone(world.writer)
    world.write(clone, "new.txt", "new\n")
    world.git("push", "-q", "origin", "HEAD:main", cwd=clone)
    assert world.repo.file("main", "new.txt") == b"new\n"
    again = world.clone(None, "again")
    assert (again / "new.txt").read_text() == "new\n"
    push = next(call for call in world.forge.calls if call.effect)
    assert (push.service, push.refs, push.identity) == ("git-receive-pack", ["refs/heads/main"], "will")
    assert push.permission == "contents: write" and push.status == 200


def test_partial_clone_fetches_only_what_is_asked(world: World) -> None:
    big = "".join(f"{i * 7919}\n" for i in range(60_000))
    world.repo.commit("main", {"big.txt": big}, world.owner)
    sha = world.repo.git.resolve("main:big.txt", kind="") or ""
    url = world.repo.address(world.reader)
    with world.forge.recording() as lazy:
        world.git("clone", "-q", "--filter=blob:none", "--no-checkout", url, str(world.folder / "lazy"))
    lazy_bytes = sum(call.sent for call in lazy if call.service == "git-upload-pack")
    with world.forge.recording() as full:
        world.clone(world.reader, "full")
    assert lazy_bytes < 20_000 < sum(call.sent for call in full if call.service == "git-upload-pack")
    # One object by its id, from a commit that a shallow client never named.
    world.git("init", "-q", str(world.folder / "one"))
    world.git("fetch", "-q", "--filter=blob:none", url, sha, cwd=world.folder / "one")
    shown = world.git("cat-file", "-s", sha, cwd=world.folder / "one")
    assert int(shown) == len(big)


def test_a_pushed_pack_that_is_sent_in_chunks(world: World) -> None:
    clone = world.clone(world.writer)
    world.git("config", "http.postBuffer", "65536", cwd=clone)
    world.write(clone, "noise.bin", bytes(i * i % 251 for i in range(3_000_000)) + world.folder.name.encode())
    world.git("-c", "core.compression=0", "push", "-q", "origin", "HEAD:refs/heads/noise", cwd=clone)
    assert world.repo.head("noise")
    assert max(call.received for call in world.forge.calls) > 65536


def test_a_request_packed_with_gzip_is_understood(world: World) -> None:
    body = gzip.compress(b"0014command=ls-refs\n0001001bref-prefix refs/heads/\n0000")
    line = http.client.HTTPConnection("127.0.0.1", int(world.forge.url.rpartition(":")[2]))
    headers = {
        "Content-Encoding": "gzip",
        "Content-Type": "application/x-git-upload-pack-request",
        "Git-Protocol": "version=2",
    }
    line.request("POST", "/ada/churn.git/git-upload-pack", body, headers)
    got = line.getresponse()
    assert got.status == 200 and b"refs/heads/main" in got.read()


def test_a_push_without_a_token_or_role_is_refused(world: World) -> None:
    clone = world.clone(None)
    world.write(clone, "x", "x")
    assert "could not read Username" in world.git("push", "origin", "HEAD:refs/heads/x", cwd=clone, ok=False)
    for who, text in (
        (world.reader, "Permission to ada/churn.git denied to rita"),
        (world.stranger, "denied to stan"),
    ):
        said = world.git("push", world.repo.address(who), "HEAD:refs/heads/x", cwd=clone, ok=False)
        assert text in said and "403" in said
    read_only = world.repo.github_token(permissions={"contents": "read"})
    said = world.git("push", world.repo.address(read_only), "HEAD:refs/heads/x", cwd=clone, ok=False)
    assert "Write access to repository not granted" in said
    assert world.repo.head("x") is None


def test_a_bad_token_cannot_even_read_a_public_repository(world: World) -> None:
    # git itself sends no token that stands in an address before it is asked for one; a header it sends at once.
    header = "http.extraHeader=Authorization: Bearer ghp_wrong"
    said = world.git("-c", header, "ls-remote", world.repo.git_url, ok=False)
    assert "Authentication failed" in said or "could not read Username" in said


def test_a_private_repository_does_not_exist_for_strangers(world: World) -> None:
    hidden = world.forge.create("ada/secret", world.owner, private=True)
    hidden.commit("main", {"a": "a"}, world.owner)
    assert "not found" in world.git("ls-remote", hidden.address(world.stranger), ok=False)
    assert "could not read Username" in world.git("ls-remote", hidden.address(None), ok=False)
    assert "refs/heads/main" in world.git("ls-remote", hidden.address(world.owner))
    token = hidden.github_token(permissions={"issues": "write"})
    assert "403" in world.git("ls-remote", hidden.address(token), ok=False)


def test_a_ruleset_ends_direct_pushes_to_main(world: World) -> None:
    clone = world.clone(world.owner)
    world.write(clone, "one", "1")
    world.git("push", "-q", "origin", "HEAD:main", cwd=clone)
    assert world.ruleset().status == 201
    before = world.repo.head("main")
    world.write(clone, "two", "2")
    said = world.git("push", "origin", "HEAD:main", cwd=clone, ok=False)
    assert "GH013: Repository rule violations found for refs/heads/main" in said
    assert "Changes must be made through a pull request" in said
    assert 'Required status check "gitops-ml" is expected' in said
    assert "Cannot force-push" in world.git("push", "-f", "origin", "HEAD~2:main", cwd=clone, ok=False)
    assert "Cannot delete" in world.git("push", "origin", ":main", cwd=clone, ok=False)
    assert world.repo.head("main") == before
    world.git("push", "-q", "origin", "HEAD:refs/heads/topic", cwd=clone)


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".github/workflows/deep/new.yml"])
def test_only_people_and_apps_with_the_permission_push_workflows(world: World, path: str) -> None:
    clone = world.clone(world.writer)
    world.write(clone, path, "on: push\n")
    write = {"contents": "write", "workflows": "write"}
    job, weak = world.repo.github_token(permissions=write), world.repo.app("bot", {"contents": "write"})
    for who in (job, weak.token, world.forge.pat(world.writer, {"contents": "write"}).token):
        said = world.git("push", world.repo.address(who), "HEAD:refs/heads/x", cwd=clone, ok=False)
        assert "refusing to allow a" in said and path in said
    world.git("push", "-q", world.repo.address(world.repo.app("bot", write)), "HEAD:refs/heads/x", cwd=clone)
    world.git("push", "-q", world.repo.address(world.writer), "HEAD:refs/heads/y", cwd=clone)


def test_bringing_mains_workflows_to_a_branch_counts_as_a_change(world: World) -> None:
    world.repo.commit("topic", {"a": "a"}, world.writer)
    world.repo.commit("main", {".github/workflows/ci.yml": "on: pull_request\n"}, world.owner)
    clone = world.clone(world.repo.github_token(permissions={"contents": "write"}))
    world.git("checkout", "-q", "topic", cwd=clone)
    world.git("merge", "-q", "--no-edit", "origin/main", cwd=clone)
    assert "without `workflows` permission" in world.git("push", "origin", "topic", cwd=clone, ok=False)


def test_a_file_above_the_limit_is_refused(world: World) -> None:
    assert world.forge.file_limit == 100 * 1024 * 1024
    world.forge.file_limit = 1024
    clone = world.clone(world.owner)
    world.write(clone, "dir/big.bin", b"x" * 1025)
    said = world.git("push", "origin", "HEAD:refs/dvc/store", cwd=clone, ok=False)
    assert "GH001: Large files detected" in said and "dir/big.bin" in said
    world.forge.file_limit = 1025
    world.git("push", "-q", "origin", "HEAD:refs/dvc/store", cwd=clone)


def test_other_refs_are_pushed_quietly_and_pull_refs_never(world: World) -> None:
    clone = world.clone(world.repo.github_token(permissions={"contents": "write"}))
    world.git("push", "-q", "origin", "HEAD:refs/dvc/store", cwd=clone)
    assert world.repo.git.ref("refs/dvc/store") and not world.repo.events
    said = world.git("push", "origin", "HEAD:refs/pull/9/head", cwd=clone, ok=False)
    assert "hidden ref" in said and world.repo.git.ref("refs/pull/9/head") is None
    assert "refs/dvc" not in world.git("show-ref", cwd=world.clone(None, "plain"))


def test_a_stale_push_and_a_stale_lease_are_rejected(world: World) -> None:
    clone = world.clone(world.writer)
    world.repo.commit("main", {"other": "1"}, world.owner)
    world.write(clone, "mine", "1")
    assert "fetch first" in world.git("push", "origin", "HEAD:main", cwd=clone, ok=False)
    lease = world.git("push", "--force-with-lease", "origin", "HEAD:main", cwd=clone, ok=False)
    assert "stale info" in lease


@pytest.mark.parametrize(("when", "text"), [("receive", "cannot lock ref"), ("advertise", "fetch first")])
def test_a_lost_race(world: World, when: str, text: str) -> None:
    clone = world.clone(world.writer)
    world.forge.faults.add("lost-race", ref="refs/heads/main", when=when, files={"theirs": b"1"})
    world.write(clone, "mine", "1")
    said = world.git("push", "origin", "HEAD:main", cwd=clone, ok=False)
    assert text in said or "failed to update ref" in said
    assert world.repo.files("main").count("theirs") == 1 and "mine" not in world.repo.files("main")
    world.git("pull", "-q", "--rebase", "origin", "main", cwd=clone)
    world.git("push", "-q", "origin", "HEAD:main", cwd=clone)
    assert {"mine", "theirs"} <= set(world.repo.files("main"))


def test_pushes_at_the_same_time_lose_nothing(world: World) -> None:
    clone = world.clone(world.writer)

    def push(number: int) -> None:
        world.git("push", "-q", "origin", f"HEAD:refs/heads/b{number}", cwd=clone)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"b{number}" for number in range(4)} <= set(world.repo.branches())
    assert len([event for event in world.repo.events if event.name == "push"]) == 4


def test_the_first_branch_becomes_the_default_one(world: World) -> None:
    empty = world.forge.create("ada/empty", world.owner)
    clone = world.clone(None)
    world.git("push", "-q", empty.address(world.owner), "HEAD:refs/heads/trunk", cwd=clone)
    assert empty.data["default_branch"] == "trunk"


def test_a_copied_folder_serves_the_same_at_another_port(world: World) -> None:
    number = world.pull()
    world.api("POST", f"/issues/{number}/comments", world.writer, body=f"See {world.repo.url}/pull/{number}")
    copy = world.folder / "copy"
    world.forge.save(copy)
    state = (copy / "state.json").read_text()
    assert world.forge.url not in state and str(world.folder) not in state
    with Forge.start(copy) as other:
        repo = other.repo("ada/churn")
        assert repo is not None and other.url != world.forge.url
        assert repo.comments(number)[0]["body"] == f"See {repo.url}/pull/{number}"
        assert [event.name for event in repo.take_events()] == [e.name for e in world.repo.take_events()]
        world.git("ls-remote", repo.address(world.writer))
        repo.commit("topic", {"more": "1"}, other.user("will"))
        assert repo.pull(number)["head"]["sha"] != world.repo.pull(number)["head"]["sha"]
