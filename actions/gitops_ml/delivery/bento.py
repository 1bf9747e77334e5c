"""Builds the Bento of a version, in the project's own environment: the archive that a release carries."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from gitops_ml.build.environment import last_lines, python_of, scrubbed
from gitops_ml.errors import Fault


def build_bento(head: Path, out: Path, version: str) -> Path:
    """The Bento of the checkout ``head`` as one file ``out``, labelled with its version.

    The model's bytes must be in place (`gitops-ml unpack`). Runs code of ``head``, so only in a job whose token reads.
    Raises :class:`Fault` where BentoML is missing or fails.
    """
    bentoml = Path(python_of(head)).with_name("bentoml")
    if not bentoml.exists():
        raise Fault(
            f"there is no BentoML in {bentoml.parent}, so the release would lack its Bento.\n"
            "  Install it: uv sync --group serve"
        )
    # Our own path must be absolute: the tools run in the project's folder.
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gitops-ml-bento-") as folder:
        home = {"BENTOML_HOME": folder, "BENTOML_DO_NOT_TRACK": "True"}
        env = scrubbed(python_of(head)) | home
        # A colon or an @ would end the version; BentoML takes letters, digits, dots and hyphens.
        wanted = re.sub(r"[^A-Za-z0-9.-]+", "-", version).strip("-.").lower() or "unreleased"
        built = _run([str(bentoml), "build", "--version", wanted, "--output", "tag"], head, env)
        tag = built.rpartition("__tag__:")[2].strip().splitlines()[0].strip() if "__tag__:" in built else ""
        if not tag:
            raise Fault(f"bentoml build named no tag:\n{last_lines(built)}")
        archive = Path(folder) / "out.bento"
        _run([str(bentoml), "export", tag, str(archive)], head, env)
        shutil.move(archive, out)
    return out


def file_sha256(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(command: list[str], head: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=head, env=env, capture_output=True, check=False)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode:
        raise Fault(
            f"bentoml {command[1]} failed with status {done.returncode}:\n{last_lines(text)}\n"
            "  Try it in the project: uv run bentoml build"
        )
    return done.stdout.decode("utf-8", "replace")
