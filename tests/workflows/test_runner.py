"""The runner itself, over the real forge: events start workflows, jobs have tokens of their own, artifacts travel."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.forge import Forge, Identity, Repo
from tests.workflows import machine
from tests.workflows.act import App
from tests.workflows.loop import Endless, Loop
from tests.workflows.matcher import WorkflowError

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@" + "b" * 40
DOWNLOAD = "actions/download-artifact@" + "c" * 40
APP_TOKEN = "actions/create-github-app-token@" + "d" * 40
STATUS_ACTION = """\
name: Post a status
inputs:
  token:
    default: ${{ github.token }}
  state:
    default: success
outputs:
  answer:
    value: ${{ steps.post.outputs.answer }}
runs:
  using: composite
  steps:
    - id: post
      shell: bash
      run: python3 "$GITHUB_ACTION_PATH/post.py"
      env:
        TOKEN: ${{ inputs.token }}
        STATE: ${{ inputs.state }}
"""
POST = """\
import json, os, urllib.error, urllib.request
env = os.environ
url = f"{env['GITHUB_API_URL']}/repos/{env['GITHUB_REPOSITORY']}/statuses/{env['GITHUB_SHA']}"
body = json.dumps({"state": env["STATE"], "context": "tried", "description": env["GITHUB_JOB"]}).encode()
request = urllib.request.Request(url, body, {"Authorization": "Bearer " + env["TOKEN"]})
try:
    answer = urllib.request.urlopen(request).status
except urllib.error.HTTPError as refused:
    answer = refused.code
with open(env["GITHUB_OUTPUT"], "a") as file:
    file.write(f"answer={answer}\\nsecretive=yes\\n")
with open(env["GITHUB_STEP_SUMMARY"], "a") as file:
    file.write(f"Answered {answer}\\n")
print(f"::notice title=Status::answered {answer}")
"""
ON_PUSH = f"""\
name: on push
on:
  push:
    branches: [main]
permissions: {{}}
jobs:
  may:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      statuses: write
    outputs:
      answer: ${{{{ steps.status.outputs.answer }}}}
      leaked: ${{{{ steps.status.outputs.secretive }}}}
    steps:
      - uses: {CHECKOUT}
        with:
          persist-credentials: false
      - id: status
        name: Post it
        uses: ./.github/actions/status
  may-not:
    needs: may
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    steps:
      - uses: {CHECKOUT}
      - id: status
        uses: ./.github/actions/status
        with:
          state: failure
      - name: Look around
        run: |
          git config --list | grep -c extraheader || true
          test ! -e ../leftover && test ! -e "$HOME/leftover"
          touch ../leftover "$HOME/leftover"
          git ls-remote origin >/dev/null && echo "can read"
          git push origin HEAD:refs/heads/evil || echo "cannot push"
  never:
    if: github.ref == 'refs/heads/other'
    runs-on: ubuntu-latest
    steps:
      - run: exit 1
"""
ON_PULL = f"""\
name: on pull
on: pull_request_target
permissions: {{}}
concurrency:
  group: pull-${{{{ github.event.pull_request.number }}}}
  cancel-in-progress: true
jobs:
  build:
    if: github.event.pull_request.head.repo.full_name == github.repository
    runs-on: ubuntu-latest
    permissions:
      contents: read
    outputs:
      digest: ${{{{ steps.digest.outputs.digest }}}}
    steps:
      - uses: {CHECKOUT}
        with:
          persist-credentials: false
      - uses: {CHECKOUT}
        with:
          ref: ${{{{ github.event.pull_request.head.sha }}}}
          path: head
          persist-credentials: false
      - id: digest
        run: |
          mkdir -p out/deep
          tr a-z A-Z < head/text.txt > out/deep/text.txt
          echo hidden > out/.hidden
          echo "digest=$(sha256sum < out/deep/text.txt | cut -d' ' -f1)" >> "$GITHUB_OUTPUT"
          ! git -C head push origin HEAD:refs/heads/evil
      - uses: {UPLOAD}
        with:
          name: candidate
          path: out
          if-no-files-found: error
  commit:
    needs: build
    runs-on: ubuntu-latest
    permissions:
      contents: write
    steps:
      - uses: {CHECKOUT}
        with:
          ref: ${{{{ github.event.pull_request.head.ref }}}}
      - uses: {DOWNLOAD}
        with:
          name: candidate
          path: candidate
      - env:
          DIGEST: ${{{{ needs.build.outputs.digest }}}}
        run: |
          test "$(sha256sum < candidate/deep/text.txt | cut -d' ' -f1)" = "$DIGEST" || {{ echo "::error::swapped"; sleep 1; exit 1; }}
          test ! -e candidate/.hidden
          mv candidate/deep/text.txt loud.txt
          git -c user.name=bot -c user.email=bot@example.org add loud.txt
          git -c user.name=bot -c user.email=bot@example.org commit -qm Loud && git push -q origin HEAD
"""
BASE = {
    ".github/actions/status/action.yml": STATUS_ACTION,
    ".github/actions/status/post.py": POST,
    ".github/workflows/on-push.yml": ON_PUSH,
    ".github/workflows/on-pull.yml": ON_PULL,
    "text.txt": "quiet\n",
}


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge.start(tmp_path / "forge") as started:
        yield started


def api(forge: Forge, by: Identity, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{forge.api}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {by.token}"},
        method=method,
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.loads(answer.read() or b"null")


def seed(forge: Forge, files: dict[str, str]) -> tuple[Repo, Identity]:
    ada = forge.user("ada")
    repo = forge.create("ada/tiny", ada)
    repo.commit("main", files, ada, "Begin")
    return repo, ada


def test_a_push_and_a_pull_request_over_the_real_forge(forge: Forge) -> None:
    repo, ada = seed(forge, BASE)
    loop = Loop(forge, repo)
    (first,) = loop.settle()
    tip = repo.branches()["main"]
    assert (first.name, first.trigger, first.result) == ("on-push", "push", "success"), first.log
    assert first.ran() == ["may", "may-not"]
    assert first.jobs["never"].result == "skipped"
    # Each job had its own permissions, and the forge knows which job asked.
    assert repo.status(tip, "tried") == "success"
    asked = [(call.job, call.status) for call in forge.calls if "/statuses/" in call.path]
    assert asked == [("on-push/may", 201), ("on-push/may-not", 403)]
    assert first.jobs["may"].outputs == {"answer": "201", "leaked": ""}
    assert first.jobs["may-not"].step("status").outputs == {"answer": "403"}
    assert first.summaries == {"may": "Answered 201\n", "may-not": "Answered 403\n"}
    assert [(c.kind, c.title, c.text, c.job) for c in first.commands] == [
        ("notice", "Status", "answered 201", "may"),
        ("notice", "Status", "answered 403", "may-not"),
    ]
    look = first.jobs["may-not"].step("Look around")
    assert "can read" in look.log and "cannot push" in look.log
    assert 0 < look.seconds < first.jobs["may-not"].seconds < first.seconds
    assert "evil" not in repo.branches()
    # A pull request: the base's workflow, the head's text, an artifact, a push by the job's token that starts nothing.
    repo.commit(
        "topic", {"text.txt": "loud\n", ".github/workflows/on-pull.yml": "on: nothing"}, ada, "Louder"
    )
    pull = api(
        forge, ada, "POST", "/repos/ada/tiny/pulls", {"title": "Loud", "head": "topic", "base": "main"}
    )
    (second,) = loop.settle()
    assert second.ok, second.log
    assert (second.name, second.trigger) == ("on-pull", "pull_request_target")
    assert repo.git.blob(repo.branches()["topic"], "loud.txt") == b"LOUD\n"
    assert repo.branches()["topic"] != pull["head"]["sha"]
    assert "evil" not in repo.branches()
    assert any("GITHUB_TOKEN starts nothing" in reason for reason in loop.reasons("on-pull.yml"))
    assert second.jobs["build"].outputs["digest"] and list(second.permissions) == ["build", "commit"]
    pushes = [call.job for call in forge.calls if call.effect and call.refs and call.kind == "job"]
    assert pushes == ["on-pull/commit"]
    # The runs stand on the forge's page.
    assert [(run["name"], run["result"]) for run in repo.data["runs"]] == [
        ("on push", "success"),
        ("on pull", "success"),
    ]


def test_an_artifact_swapped_between_jobs_arrives(forge: Forge) -> None:
    repo, ada = seed(forge, BASE)
    loop = Loop(forge, repo)
    repo.take_events()
    swap = forge.folder / "artifacts" / "swap"
    swap.mkdir(parents=True)
    (swap / "candidate").write_text("EVIL\n", "utf-8")
    repo.commit("topic", {"text.txt": "loud\n"}, ada, "Louder")
    head = repo.branches()["topic"]
    api(forge, ada, "POST", "/repos/ada/tiny/pulls", {"title": "Loud", "head": "topic", "base": "main"})
    (run,) = loop.settle()
    assert (run.result, run.errors()) == ("failure", ["swapped"])
    assert (run.jobs["build"].result, run.jobs["commit"].result) == ("success", "failure")
    assert repo.branches()["topic"] == head


def test_checkout_refuses_the_code_of_a_fork(forge: Forge) -> None:
    own_only = "    if: github.event.pull_request.head.repo.full_name == github.repository\n"
    assert own_only in ON_PULL
    files = {**BASE, ".github/workflows/on-pull.yml": ON_PULL.replace(own_only, "")}
    repo, _ = seed(forge, files)
    repo.take_events()
    eve = forge.user("eve")
    fork = forge.fork(repo, eve)
    fork.commit("topic", {"text.txt": "evil\n"}, eve, "Evil")
    body = {"title": "Evil", "head": "eve:topic", "base": "main"}
    api(forge, eve, "POST", "/repos/ada/tiny/pulls", body)
    loop = Loop(forge, repo)
    (run,) = loop.settle()
    assert run.result == "failure"
    assert run.jobs["build"].step("1").result == "failure"
    assert ["Refusing to check out fork pull request code" in error for error in run.errors()] == [True]
    assert run.jobs["commit"].result == "skipped"


FORK_TEST = f"""\
on: pull_request
permissions: write-all
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - id: status
        uses: ./.github/actions/status
      - env:
          KEY: ${{{{ secrets.KEY }}}}
        run: |
          test -z "$KEY" && cat text.txt
"""


def test_a_fork_gets_no_secrets_and_no_writes(forge: Forge) -> None:
    files = {**BASE, ".github/workflows/fork.yml": FORK_TEST}
    repo, _ = seed(forge, {name: text for name, text in files.items() if "/on-" not in name})
    repo.take_events()
    eve = forge.user("eve")
    fork = forge.fork(repo, eve)
    fork.commit("topic", {"text.txt": "from a fork\n"}, eve, "Fork")
    api(forge, eve, "POST", "/repos/ada/tiny/pulls", {"title": "x", "head": "eve:topic", "base": "main"})
    (run,) = Loop(forge, repo, secrets={"KEY": "very-secret"}).settle()
    assert run.ok, run.log
    assert run.jobs["test"].step("status").outputs["answer"] == "403"
    assert "from a fork" in run.log
    # The same in a branch of the repository itself: the workflow finds the secret, and fails for it.
    ada = forge.user("ada")
    repo.commit("own", {"text.txt": "own\n"}, ada, "Own")
    api(forge, ada, "POST", "/repos/ada/tiny/pulls", {"title": "y", "head": "own", "base": "main"})
    (run,) = Loop(forge, repo, secrets={"KEY": "very-secret"}).settle()
    assert run.result == "failure"
    assert run.jobs["test"].step("status").outputs["answer"] == "201"


APP = f"""\
on:
  workflow_dispatch:
    inputs:
      file:
        required: true
  repository_dispatch:
    types: [changed]
  schedule:
    - cron: "0 6 * * 1"
concurrency:
  group: app
jobs:
  write:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: {APP_TOKEN}
        id: app
        with:
          client-id: ${{{{ vars.APP_ID }}}}
          private-key: ${{{{ secrets.APP_KEY }}}}
          permission-contents: write
      - uses: {CHECKOUT}
        with:
          token: ${{{{ steps.app.outputs.token }}}}
          ref: main
      - env:
          FILE: ${{{{ inputs.file || github.event.client_payload.file || github.event.schedule }}}}
        run: |
          echo "$FILE" >> log.txt
          git add log.txt
          git -c user.name=bot -c user.email=bot@example.org commit -qm "Log"
          git push -q origin HEAD
"""
CAUSES_ITSELF = APP.replace("  schedule:\n", "  push:\n  schedule:\n")


def with_app(forge: Forge, repo: Repo, **permissions: str) -> Loop:
    app = App("tiny-bot", permissions or {"contents": "write"})
    return Loop(forge, repo, secrets={"APP_KEY": app.private_key}, vars={"APP_ID": app.client_id}, app=app)


def test_clock_button_and_message_start_and_an_app_starts_more(forge: Forge) -> None:
    on_push = ON_PUSH.replace("  never:\n    if: github.ref == 'refs/heads/other'", "  never:\n    if: false")
    files = {**BASE, ".github/workflows/app.yml": APP, ".github/workflows/on-push.yml": on_push}
    repo, _ = seed(forge, files)
    loop = with_app(forge, repo)
    assert [run.name for run in loop.settle()] == ["on-push"]
    loop.schedule("app.yml")
    loop.dispatch("app.yml", {"file": "button"})
    loop.repository_dispatch("changed", {"file": "message"})
    loop.repository_dispatch("another")
    runs = loop.settle()
    # Three runs of one group at once: the middle one is superseded; an App's push starts the other workflow.
    assert [(run.name, run.trigger, run.result) for run in runs] == [
        ("app", "workflow_dispatch", "cancelled"),
        ("app", "schedule", "success"),
        ("app", "repository_dispatch", "success"),
        ("on-push", "push", "success"),
        ("on-push", "push", "success"),
    ], [run.log for run in runs]
    assert repo.file("main", "log.txt") == b"0 6 * * 1\nmessage\n"
    assert {call.identity for call in forge.calls if call.refs and call.effect} == {"tiny-bot[bot]"}
    with pytest.raises(WorkflowError, match="Required input 'file' not provided"):
        loop.dispatch("app.yml")
    with pytest.raises(WorkflowError, match="404"):
        loop.dispatch("none.yml")


def test_an_app_that_may_not_is_refused_and_one_that_causes_itself_is_caught(forge: Forge) -> None:
    repo, ada = seed(forge, {".github/workflows/app.yml": APP})
    loop = with_app(forge, repo, issues="write")
    loop.dispatch("app.yml", {"file": "x"})
    (run,) = loop.settle()
    assert run.result == "failure" and "permissions requested are not granted" in run.errors()[0]
    loop = Loop(forge, repo)
    loop.dispatch("app.yml", {"file": "x"})
    (run,) = loop.settle()
    assert "must be set to a non-empty string" in run.errors()[0]
    repo.commit("main", {".github/workflows/app.yml": CAUSES_ITSELF}, ada, "Cause itself")
    with pytest.raises(Endless):
        with_app(forge, repo).settle(limit=3)


KILLED = f"""\
on: workflow_dispatch
jobs:
  push:
    runs-on: ubuntu-latest
    permissions:
      contents: write
    steps:
      - uses: {CHECKOUT}
      - run: |
          for one in 1 2 3 4; do
            git ls-remote --exit-code origin "refs/heads/b$one" || git push -q origin "HEAD:refs/heads/b$one"
          done
          sleep 0
"""


def test_a_run_loses_its_machine_and_the_next_goes_on(forge: Forge, tmp_path: Path) -> None:
    repo, _ = seed(forge, {".github/workflows/killed.yml": KILLED})
    loop = Loop(forge, repo)
    loop.settle()
    loop.kill_after(2, "killed.yml")
    loop.dispatch("killed.yml")
    (run,) = loop.settle()
    assert run.result == "killed" and run.jobs["push"].result == "cancelled"
    assert sorted(repo.branches()) == ["b1", "b2", "main"]
    loop.dispatch("killed.yml")
    (run,) = loop.settle()
    assert run.ok, run.log
    assert sorted(repo.branches()) == ["b1", "b2", "b3", "b4", "main"]


def test_a_run_that_hangs_is_ended_with_all_its_processes(forge: Forge) -> None:
    hangs = "on: push\njobs:\n  hang:\n    runs-on: ubuntu-latest\n    steps:\n      - run: setsid sleep 300 & sleep 300\n"
    repo, _ = seed(forge, {".github/workflows/hangs.yml": hangs})
    (run,) = Loop(forge, repo, timeout=1.5).settle()
    assert run.result == "timeout" and run.seconds < 10
    if Path("/proc/self/environ").exists():
        assert [pid for pid in sleepers() if "300" in pid] == []


def sleepers() -> list[str]:
    """Command lines of the sleeps that runs of ours left behind."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            ours = f"{machine.TRACKING}=gitops-ml-".encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if ours and words[0] == b"sleep":
            found.append(b" ".join(words).decode())
    return found


CALLER = """\
name: The caller
on: push
permissions: {}
jobs:
  call:
    uses: ./.github/workflows/called.yml
    permissions:
      contents: read
      statuses: write
    with:
      word: hello
    secrets:
      KEY: ${{ secrets.KEY }}
  after:
    needs: call
    runs-on: ubuntu-latest
    steps:
      - env:
          SAID: ${{ needs.call.outputs.said }}
        run: echo "after $SAID"
"""
CALLED = f"""\
on:
  workflow_call:
    inputs:
      word:
        type: string
        required: true
    secrets:
      KEY:
        required: true
    outputs:
      said:
        value: ${{{{ jobs.say.outputs.said }}}}
jobs:
  say:
    runs-on: ubuntu-latest
    outputs:
      said: ${{{{ steps.say.outputs.said }}}}
    steps:
      - uses: {CHECKOUT}
      - id: status
        uses: ./.github/actions/status
      - id: say
        env:
          WORD: ${{{{ inputs.word }}}}
          KEY: ${{{{ secrets.KEY }}}}
          NAME: ${{{{ github.workflow }}}}
        run: |
          echo "said=$WORD ${{#KEY}}" >> "$GITHUB_OUTPUT"
          echo "$NAME, job $GITHUB_JOB"
"""


def calling(**changes: str) -> dict[str, str]:
    return {
        **{name: text for name, text in BASE.items() if "workflows" not in name},
        ".github/workflows/caller.yml": CALLER,
        ".github/workflows/called.yml": CALLED,
        **changes,
    }


def test_a_called_workflow_has_the_permissions_of_its_caller_and_no_more(forge: Forge) -> None:
    repo, ada = seed(forge, calling())
    (run,) = Loop(forge, repo, secrets={"KEY": "12345"}).settle()
    assert run.ok, run.log
    assert run.ran() == ["call/say", "after"]
    assert run.permissions["call/say"] == {"contents": "read", "statuses": "write"}
    assert "after hello 5" in run.jobs["after"].log
    assert "The caller, job say" in run.jobs["call/say"].log
    assert [c.job for c in forge.calls if "/statuses/" in c.path] == ["caller/call/say"]
    greedy = CALLED.replace("    runs-on", "    permissions:\n      contents: write\n    runs-on", 1)
    repo.commit("main", {".github/workflows/called.yml": greedy}, ada, "Greedy")
    with pytest.raises(WorkflowError, match="'say' is requesting 'contents: write', but is only allowed"):
        Loop(forge, repo).settle()


def test_a_call_in_a_matrix_has_a_job_for_each_leg(forge: Forge) -> None:
    legs = "    strategy:\n      matrix:\n        word: [one, two]\n"
    text = CALLER.replace("    permissions:", f"{legs}    permissions:", 1)
    text = text.replace("word: hello", "word: ${{ matrix.word }}")
    repo, _ = seed(forge, calling(**{".github/workflows/caller.yml": text}))
    (run,) = Loop(forge, repo, secrets={"KEY": "12345"}).settle()
    assert run.ok, run.log
    assert sorted(run.jobs) == ["after", "call/say (1)", "call/say (2)"]
    said = {run.jobs[f"call/say ({leg})"].step("say").outputs["said"] for leg in (1, 2)}
    assert said == {"one 5", "two 5"}


def test_an_action_of_another_repository_comes_from_the_forge(forge: Forge) -> None:
    suite, ada = seed(forge, {name: text for name, text in BASE.items() if "workflows" not in name})
    at = suite.branches()["main"]
    text = ON_PUSH.replace("./.github/actions/status", f"ada/tiny/.github/actions/status@{at}")
    repo = forge.create("ada/user", ada)
    repo.commit("main", {".github/workflows/on-push.yml": text}, ada, "Use it")
    (run,) = Loop(forge, repo).settle()
    assert run.ok, run.log
    assert run.jobs["may"].outputs["answer"] == "201"


MATRIX = f"""\
on: push
env:
  TOKEN: ${{{{ github.token }}}}
permissions:
  contents: read
jobs:
  leg:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        word: [one, two]
    steps:
      - uses: {CHECKOUT}
      - name: Say
        env:
          WORD: ${{{{ matrix.word }}}}
        run: |
          git ls-remote "${{GITHUB_SERVER_URL/:\\/\\//:\\/\\/x:$TOKEN@}}/$GITHUB_REPOSITORY.git" refs/heads/main
          echo "leg $WORD of $GITHUB_EVENT_NAME in $PWD"
          sleep 0.5 # act loses the last words of a step that ends at once, on a busy machine
          test "$PWD" = "$GITHUB_WORKSPACE" && test -d "$RUNNER_TEMP"
          test "$WORD" = one
  first:
    runs-on: ubuntu-latest
    permissions: {{}}
    steps:
      - run: echo "${{#TOKEN}}"
"""


def test_legs_of_a_matrix_and_the_token_in_the_environment_of_all_jobs(forge: Forge) -> None:
    repo, _ = seed(forge, {".github/workflows/matrix.yml": MATRIX})
    (run,) = Loop(forge, repo).settle()
    assert {name: job.result for name, job in run.jobs.items()} == {
        "leg (1)": "success",
        "leg (2)": "failure",
        "first": "success",
    }, run.log
    places = [run.jobs[f"leg ({leg})"].step("Say").log.split(" in ")[1].split()[0] for leg in (1, 2)]
    assert places[0] != places[1]
    assert {call.job for call in forge.calls if call.kind == "job"} == {"matrix/leg"}
    assert run.permissions == {"leg": {"contents": "read"}, "first": {}}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (CHECKOUT, "acme/thing@" + "e" * 40, "acme/thing@e+, for which .* has nothing"),
        ("runs-on: ubuntu-24.04", "runs-on: windows-latest", "runs on 'windows-latest'"),
        ("statuses: write", "status: write", "there is no permission 'status'"),
        ("statuses: write", "statuses: admin", "neither read, write nor none"),
    ],
)
def test_what_cannot_be_run_truly_is_an_error(old: str, new: str, words: str, forge: Forge) -> None:
    assert old in ON_PUSH
    repo, _ = seed(forge, {**BASE, ".github/workflows/on-push.yml": ON_PUSH.replace(old, new)})
    with pytest.raises(WorkflowError, match=words):
        Loop(forge, repo).settle()


def test_an_action_that_reads_the_token_itself_is_an_error(forge: Forge) -> None:
    text = STATUS_ACTION.replace("${{ inputs.token }}", "${{ github.token }}")
    repo, _ = seed(forge, {**BASE, ".github/actions/status/action.yml": text})
    with pytest.raises(WorkflowError, match=r"status reads github\.token in a step"):
        Loop(forge, repo).settle()


def test_an_environment_with_nothing_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("GITHUB_TOKEN", "ours")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PATH", f"{machine.ROOT}/.venv/bin:/usr/bin:/bin")
    env = machine.environment(tmp_path, "x")
    assert "VIRTUAL_ENV" not in env and "GITHUB_TOKEN" not in env
    assert env["PIP_INDEX_URL"] == "http://127.0.0.1:1/simple"
    assert ".venv" not in env["PATH"]
    assert shutil.which("python3", path=env["PATH"]) == str(tmp_path / "bin" / "python3")
    assert all(env[name].startswith(str(tmp_path)) for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"))
