"""A version's own service: started, asked its test rows, compared with the model, ended; what is wrong with it is named."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.suite import ruled
from tests.suite.test_ruling_rules import at, seed  # noqa: F401 - fixtures

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import local
from gitops_ml.delivery.champion import pointer_path
from gitops_ml.delivery.deploy_command import deploy
from gitops_ml.delivery.offer import pointer_text
from gitops_ml.delivery.serving import Service, compare, free_port, serving, smoke
from gitops_ml.delivery.workbench import Bench, Wanted, laid_out
from gitops_ml.errors import Fault

MODEL = b"the model"
SHA256 = hashlib.sha256(MODEL).hexdigest()
SERVER = """\
import hashlib, json, os, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

mode = Path("mode").read_text() if Path("mode").exists() else ""
if mode == "dies":
    sys.exit("error: there is no such thing")
if mode == "slow":
    time.sleep(60)
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
Path("child").write_text(str(subprocess.Popen([sys.executable, "-c", stubborn]).pid))
sha256 = hashlib.sha256(Path("models/model.skops").read_bytes()).hexdigest()
if os.environ.get("MODEL_SHA256") != sha256:
    sys.exit("error: another model")
secrets = [name for name in os.environ if "TOKEN" in name]
names = ["tenure", "since", "plan", "customer"]


class Handler(BaseHTTPRequestHandler):
    def say(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/metadata":
            if mode == "no metadata":
                return self.say({}, 404)
            fields = {} if mode == "no fields" else dict.fromkeys(names + ["colour"] * (mode == "more fields"))
            said = {"sha256": "1" * 64 if mode == "other" else sha256, "schema": {"properties": fields}}
            return self.say({**said, "target": "churned", "secrets": secrets})
        if self.path == "/docs.json":
            example = {"example": {"rows": [{"tenure": 1}]}}
            body = {"requestBody": {"content": {"application/json": example}}}
            return self.say({"paths": {"/predict": {"post": body}}})
        self.say({"ready": True})

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"]
        if mode == "refuses" or any(sorted(row) != sorted(names) for row in rows):
            return self.say({"error": "row 0: unknown field"}, 400)
        answers = [{"prediction": "no", "scores": {"no": 0.75, "yes": 0.25}} for row in rows]
        if mode == "few":
            answers.pop()
        if mode == "label":
            answers[2]["prediction"] = "yes"
        if mode == "score":
            answers[1]["scores"]["yes"] += 1e-8
        if mode == "digits":
            answers[1]["scores"]["yes"] += 1e-11
        Path("asked").write_text(json.dumps(rows))
        self.say(answers)

    def log_message(self, *args):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
SCORE = """\
import argparse
import pyarrow as pa, pyarrow.parquet as pq

parser = argparse.ArgumentParser()
for name in ("model", "input", "output", "sha256"):
    parser.add_argument("--" + name)
given = parser.parse_args()
table = pq.read_table(given.input)
assert "churned" not in table.column_names
n = table.num_rows
pq.write_table(pa.table({"prediction": ["no"] * n, "score_no": [0.75] * n, "score_yes": [0.25] * n}), given.output)
"""
COMMAND = (sys.executable, "server.py")


def project(folder: Path) -> Path:
    """A project whose service is a few lines."""
    rows = pa.table(
        {
            "customer": [f"c{k}" for k in range(30)],
            "tenure": pa.array([float("nan"), *map(float, range(29))]),
            "since": pa.array([datetime(2026, 11, 1, 12, 30), *[None] * 29], pa.timestamp("us")),
            "plan": ["flex", None] * 15,
            "note": ["not for the service"] * 30,
            "churned": ["yes"] * 30,
        }
    )
    files = {
        ".gitops-ml.yaml": "answers: {project_slug: churn, package_name: churn}\n",
        "server.py": SERVER,
        "src/churn/__init__.py": "",
        "src/churn/score.py": SCORE,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("models", "data/prepared"):
        (folder / name).mkdir(parents=True)
    (folder / "models/model.skops").write_bytes(MODEL)
    pq.write_table(rows, folder / "data/prepared/test.parquet")
    return folder


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PYTHONPATH", "src")
    monkeypatch.setenv("GITOPS_ML_TOKEN", "secret")
    made = project(tmp_path / "project")
    (tmp_path / "scratch").mkdir()
    wanted = Wanted("v1.0.0", "c0ffee00" * 5, "models/model.skops", SHA256)
    return Bench(wanted, made, sys.executable, tmp_path / "scratch")


def ended(bench: Bench) -> bool:
    """Whether even the child that ignores TERM is gone (a zombie is: nobody here reaps it)."""
    pid = (bench.project / "child").read_text()
    stat = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_the_service_is_asked_the_first_test_rows_as_json_has_them(bench: Bench) -> None:
    with serving(bench, command=COMMAND) as service:
        assert smoke(bench, service) == 20
        assert "secrets" in (bench.project / "server.py").read_text()
    asked = json.loads((bench.project / "asked").read_text())
    assert asked[0] == {"tenure": None, "since": "2026-11-01T12:30:00", "plan": "flex", "customer": "c0"}
    assert asked[1] == {"tenure": 0.0, "since": None, "plan": None, "customer": "c1"}
    assert ended(bench)


def test_the_service_sees_no_token(bench: Bench) -> None:
    from gitops_ml.delivery.serving import metadata

    with serving(bench, command=COMMAND) as service:
        assert metadata(service)["secrets"] == []


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("other", "says that it serves 111111111111"),
        ("no metadata", "no page /metadata (404)"),
        ("no fields", "which fields a row has"),
        ("more fields", "asks for 'colour'"),
        ("refuses", 'refuses its own test rows (400): {"error": "row 0: unknown field"}'),
        ("few", "19 answers to 20 rows"),
        ("label", "answers yes to test row 3, and the model predicts no"),
        ("score", "gives test row 2 0.25000001 for yes, and the model 0.25"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(bench: Bench, mode: str, said: str) -> None:
    (bench.project / "mode").write_text(mode)
    with pytest.raises(Fault) as wrong, serving(bench, command=COMMAND) as service:
        smoke(bench, service)
    assert said in str(wrong.value)
    assert ended(bench)


def test_last_digits_are_no_difference(bench: Bench) -> None:
    (bench.project / "mode").write_text("digits")
    with serving(bench, command=COMMAND) as service:
        assert smoke(bench, service) == 20


def test_a_service_that_does_not_start_is_shown_with_its_last_words(bench: Bench) -> None:
    (bench.project / "mode").write_text("dies")
    with pytest.raises(Fault) as wrong, serving(bench, command=COMMAND):
        raise AssertionError("not reached")
    assert "ended before it was ready:\nerror: there is no such thing" in str(wrong.value)
    (bench.project / "mode").write_text("slow")
    with pytest.raises(Fault, match="not ready within 1 s"), serving(bench, command=COMMAND, seconds=1):
        raise AssertionError("not reached")


def test_without_bentoml_it_says_so(bench: Bench) -> None:
    lonely = Bench(bench.wanted, bench.project, str(bench.project / "bin/python"), bench.scratch)
    with pytest.raises(Fault, match="has no BentoML"), serving(lonely):
        raise AssertionError("not reached")


@pytest.mark.parametrize(
    ("said", "predicted", "equal"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1e6 + 1e-5, 1e6, True),
        (1.0 + 1e-6, 1.0, False),
        (True, 1, False),
        ("1", 1, False),
        (None, 1.0, False),
        (float("nan"), 1.0, False),
    ],
)
def test_a_prediction_is_the_same_or_it_is_not(said: Any, predicted: Any, equal: bool) -> None:
    table = pa.table({"prediction": [predicted]})
    if equal:
        compare([{"prediction": said, "scores": None}], table)
    else:
        with pytest.raises(Fault, match="test row 1"):
            compare([{"prediction": said, "scores": None}], table)


def test_scores_that_are_missing_are_not_equal() -> None:
    with pytest.raises(Fault, match="nothing for yes"):
        compare([{"prediction": "no", "scores": None}], pa.table({"prediction": ["no"], "score_yes": [0.1]}))
    with pytest.raises(Fault, match="answers nothing to test row 1"):
        compare(["no"], pa.table({"prediction": ["no"]}))


# ---------------------------------------------------------------- on a forge, from an empty clone


def wanted_of(at: ruled.Bench, sha256: str = "") -> Wanted:
    revision = at.repo.tags()["churn@v1.0.0"]
    return Wanted("v1.0.0", revision, "models/model.skops", sha256 or hashlib.sha256(b"old").hexdigest())


def trees(root: Path) -> int:
    return len(ruled.git(root, "worktree", "list").splitlines())


def test_a_version_is_laid_out_with_its_bytes_and_nothing_is_left(at: ruled.Bench) -> None:
    root = at.desk().root
    with laid_out(root, wanted_of(at), install=()) as bench:
        assert bench.model.read_bytes() == b"old"
        assert ruled.git(bench.project, "rev-parse", "HEAD") == wanted_of(at).revision
        assert (bench.project / "data/prepared/test.parquet").is_file()
        assert ruled.git(bench.project, "status", "--porcelain", "--untracked-files=no") == ""
        scratch = bench.scratch
    assert not scratch.exists() and trees(root) == 1


def test_bytes_that_are_not_those_approved_are_not_loaded(at: ruled.Bench) -> None:
    root = at.desk().root
    with (
        pytest.raises(Fault, match="111111111111 was approved"),
        laid_out(root, wanted_of(at, "1" * 64), install=()),
    ):
        raise AssertionError("not reached")
    assert trees(root) == 1


def test_bytes_that_are_lost_and_an_environment_that_cannot_be_made_are_named(at: ruled.Bench) -> None:
    root = at.desk().root
    broken = (sys.executable, "-c", "import sys; sys.exit('no such package')")
    with (
        pytest.raises(Fault, match="environment could not be made:\nno such package"),
        laid_out(root, wanted_of(at), install=broken),
    ):
        raise AssertionError("not reached")
    at.repo.git.run("update-ref", "-d", "refs/dvc/store")
    root = at.desk().root
    with (
        pytest.raises(Fault, match=r"models/model.skops \(md5 \w+\) is missing"),
        laid_out(root, wanted_of(at), install=()),
    ):
        raise AssertionError("not reached")
    assert trees(root) == 1


# ---------------------------------------------------------------- on a laptop


def served(root: Path, at: ruled.Bench, **changes: Any) -> None:
    """Main of a clone serves v1.0.0, whose service is the one above."""
    right = {
        "model": "churn",
        "version": "v1.0.0",
        "revision": wanted_of(at).revision,
        "path": "models/model.skops",
        "sha256": wanted_of(at).sha256,
        "size": 3,
        "image": None,
        "verdict": "pass",
        "promoted_from": None,
    }
    path = root / pointer_path("production")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pointer_text(Pointer.parse(right | changes, "p"), "production"))
    ruled.git(root, "add", "-A")
    ruled.git(root, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "Serve")


def test_the_pointers_bytes_are_served_until_ctrl_c(
    at: ruled.Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = at.desk().root
    served(root, at)
    (tmp_path / "server.py").write_text(SERVER.replace('Path("child")', f"Path({str(tmp_path / 'child')!r})"))
    said: list[str] = []
    seen: list[Service] = []

    def wait(service: Service) -> None:
        seen.append(service)
        raise KeyboardInterrupt

    port = free_port()
    command = (sys.executable, str(tmp_path / "server.py"))
    local.serve(root, None, port, say=said.append, wait=wait, install=(), command=command)
    text = "\n".join(said)
    assert "churn v1.0.0, as production serves it" in text and wanted_of(at).sha256 in text
    assert f"curl -s http://127.0.0.1:{port}/predict" in text and '{"rows": [{"tenure": 1}]}' in text
    assert said[-1] == "ended" and seen[0].process.poll() is not None
    assert ended(Bench(wanted_of(at), tmp_path, "", tmp_path)) and trees(root) == 1


def test_a_service_that_ends_by_itself_is_no_quiet_end(at: ruled.Bench, tmp_path: Path) -> None:
    root = at.desk().root
    served(root, at)
    (tmp_path / "server.py").write_text(SERVER)

    def wait(service: Service) -> None:
        threading.Timer(0.1, service.process.kill).start()
        local._until_it_ends(service)

    with pytest.raises(Fault, match="ended by itself"):
        command = (sys.executable, str(tmp_path / "server.py"))
        local.serve(root, None, free_port(), say=lambda _: None, wait=wait, install=(), command=command)


def test_term_ends_it_as_well(at: ruled.Bench, tmp_path: Path) -> None:
    root = at.desk().root
    served(root, at)
    (tmp_path / "server.py").write_text(SERVER)
    said: list[str] = []

    def wait(service: Service) -> None:
        os.kill(os.getpid(), 15)
        time.sleep(5)

    command = (sys.executable, str(tmp_path / "server.py"))
    local.serve(root, None, free_port(), say=said.append, wait=wait, install=(), command=command)
    assert said[-1] == "ended"


def test_what_is_not_served_here(at: ruled.Bench, tmp_path: Path) -> None:
    root = at.desk().root

    def refused(environment: str | None = None, port: int = 0) -> str:
        with pytest.raises(Fault) as wrong:
            local.serve(root, environment, port or free_port(), say=lambda _: None, install=())
        return str(wrong.value)

    assert "nothing is served in production yet" in refused()
    assert "there is no environment staging. policy.yaml has: production" in refused("staging")
    served(root, at, revision="c0ffee00" * 5)
    assert "is not here. Fetch it: git fetch --tags origin" in refused()
    served(root, at)
    import socket

    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        assert f"somebody listens on port {port} already" in refused(port=port)
    (root / "policy.yaml").write_text("version: 1\nenvironments: [production]\nretired: {v1.0.0: it leaks}\n")
    served(root, at)
    assert "v1.0.0 is retired: it leaks" in refused()


def test_the_verb_serves_here_or_hands_on_to_what_moves_the_projections(
    at: ruled.Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(at.desk().root)
    seen: list[Any] = []
    monkeypatch.setattr(local, "serve", lambda root, name, port, say: seen.append((name, port)))
    other = SimpleNamespace(run=lambda root, proofs, plan: seen.append((proofs, plan)))
    monkeypatch.setitem(sys.modules, "gitops_ml.delivery.deploy", other)
    for arguments in (
        ["--local", "--port", "3001", "staging"],
        ["--local"],
        ["--proofs", "{}", "--plan"],
        [],
    ):
        assert CliRunner().invoke(deploy, arguments).exit_code == 0, arguments
    assert seen == [("staging", 3001), (None, 3000), ("{}", True), ("", False)]
    for arguments, said in ((["staging"], "deploy --local staging"), (["--local", "--plan"], "neither")):
        wrong = CliRunner().invoke(deploy, arguments).exception
        assert isinstance(wrong, Fault) and said in str(wrong)
