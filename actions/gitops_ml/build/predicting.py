"""One model predicts by the score contract: its project's own code and environment, a process with a limit of time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops_ml.build.environment import last_lines, python_of, scrubbed
from gitops_ml.build.seal import sha256_of
from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.scores import Scored
from gitops_ml.errors import Fault

SECONDS = 1800
"""A model that scores longer than this is not one to wait for."""
INSTALL = ("uv", "sync", "--no-default-groups")


def install_for(project: Path, install: Sequence[str] | None, seconds: float) -> str:
    """Make the environment that the champion was released with; its Python."""
    if install is None:
        frozen = ["--frozen"] if (project / "uv.lock").is_file() else []
        install = [*INSTALL, *frozen]
    if install:
        env = scrubbed(python_of(project))
        code, words, _ = execute(list(install), project, env, seconds)
        if code:
            raise Fault(f"its environment could not be made ({' '.join(install)}):\n{last_lines(words, 6)}")
    return python_of(project)


def predict(
    project: Path,
    python: str,
    model: Path,
    sha256: str,
    rows: Path,
    count: int,
    output: Path,
    revision: str,
    seconds: float,
    more: Mapping[str, str] = {},
) -> Scored:
    """One model's predictions by the score contract. Raises :class:`Fault` with what its code said.

    ``more``: additions to its environment.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = ["--input", str(rows), "--output", str(output.absolute())]
    asked = [*command(project, python, model, sha256), *tables]
    code, words, took = execute(asked, project, {**scrubbed(python), **more}, seconds)
    if code:
        raise Fault(f"its score command ended with status {code}:\n{last_lines(words, 8)}")
    if output.is_symlink() or not output.is_file():
        raise Fault("its score command wrote no predictions.")
    try:
        table = pq.ParquetFile(output)
        names, found = table.schema_arrow.names, table.metadata.num_rows
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"its predictions are not Parquet: {wrong}") from None
    if "prediction" not in names:
        raise Fault(f"its predictions have no column `prediction`, but {', '.join(names[:6]) or 'none'}.")
    if found != count:
        raise Fault(
            f"it predicted {found:,} rows of {count:,}: one prediction for each row, in order, is asked for."
        )
    return Scored(
        file=output.name,
        sha256=sha256_of(output),
        model_sha256=sha256,
        revision=revision,
        rows=count,
        seconds=round(took, 3),
    )


def command(project: Path, python: str, model: Path, sha256: str) -> tuple[str, ...]:
    """The project's score command, but for the tables."""
    return (python, "-m", f"{package(project)}.score", "--model", str(model), "--sha256", sha256)


def package(project: Path) -> str:
    """The name of the project's Python package. Raises :class:`Fault`."""
    content = read_plain(project / ".gitops-ml.yaml")
    answers = content.get("answers") if isinstance(content, dict) else None
    name = str(answers.get("package_name", "")) if isinstance(answers, dict) else ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Fault(f".gitops-ml.yaml: answers.package_name is {name!r}, which is no Python package.")
    return name


def execute(command: list[str], root: Path, env: Mapping[str, str], seconds: float) -> tuple[int, str, float]:
    """Status, output and wall time; a command that hangs is ended with all it started. Raises :class:`Fault`."""
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            command,
            cwd=root,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Fault(f"the program {command[0]} was not found.") from None
    try:
        words, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Fault(f"it did not end within {seconds:.0f} s.") from None
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise
    return child.returncode, words, time.monotonic() - started
