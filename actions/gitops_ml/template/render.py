"""One version of the template with a project's answers, as files: by cookiecutter, without a commit and without a first run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from gitops_ml import shell
from gitops_ml.contracts.answers import AnswersFile
from gitops_ml.contracts.base import read_plain
from gitops_ml.errors import Fault

PINS = Path(__file__).with_name("requirements.txt")
OLDEST = (2, 7, 1)  # the first whose delimiters can all be chosen
FILE = ".gitops-ml.yaml"
# What code of the template (its hooks) must not see.
SECRET = ("TOKEN", "SECRET", "PASSWORD", "APP_KEY", "GITOPS_ML_STORAGE", "ACTIONS_RUNTIME", "ACTIONS_ID")


def render(template: Path, version: str, answers: AnswersFile, into: Path) -> Path:
    """The folder with the rendered files, below ``into``. Raises :class:`Fault` with cookiecutter's own words."""
    settings = into / "cookiecutter.yaml"
    folders = {"cookiecutters_dir": str(into / "templates"), "replay_dir": str(into / "replay")}
    settings.write_text(json.dumps(folders), "utf-8")  # nobody's own defaults: only what the project recorded
    output = into / f"rendered-{version}"
    output.mkdir()
    given = [f"{name}={value}" for name, value in answers.answers.items()]
    command = [*_cookiecutter(), "--no-input", f"--config-file={settings}", f"--output-dir={output}"]
    done = subprocess.run(
        [*command, str(template), *given],
        cwd=into,
        env=environment() | {"GITOPS_ML_RENDER_ONLY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    made = [path for path in output.iterdir() if path.is_dir()]
    if done.returncode or len(made) != 1:
        said = _words(done.stdout.decode("utf-8", "replace"))
        raise Fault(
            f"version {version} of the template could not be generated with the answers in {FILE}:\n  "
            + "\n  ".join(said)
        )
    if (made[0] / ".git").exists():
        raise Fault(
            f"version {version} of the template made a repository while it was only rendered: its hooks are of another "
            "kind. Name another template with --source."
        )
    found = read_plain(made[0] / FILE)
    if not isinstance(found, dict) or str(found.get("version")) != version:
        raise Fault(
            f"the template's tag v{version} holds another version ({found.get('version') if isinstance(found, dict) else '?'}). "
            "Tell whoever releases it; an update with it would not know what it is."
        )
    return made[0]


def _words(output: str) -> list[str]:
    """What was said, less the tracebacks: cookiecutter shows its own behind the words of a hook."""
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return [line for line in lines if not line.startswith((" ", "Traceback"))][-12:] or lines[-12:]


def with_source(text: str, source: str | None) -> str:
    """The text of .gitops-ml.yaml with this source written down; None: none."""
    text = re.sub(r"^source: .*\n", "", text, flags=re.MULTILINE)
    if source is None:
        return text
    return re.sub(
        r"^version: .*$", lambda m: f"{m[0]}\nsource: {json.dumps(source)}", text, count=1, flags=re.M
    )


def environment() -> dict[str, str]:
    """The environment for code that is not ours: without tokens and keys."""
    return {
        name: value for name, value in shell.environment().items() if not any(word in name for word in SECRET)
    }


def _cookiecutter() -> list[str]:
    """How cookiecutter is called: the one installed here, or a pinned one through uv. Raises :class:`Fault`."""
    if importlib.util.find_spec("cookiecutter") is not None:
        numbers = re.findall(r"\d+", importlib.metadata.version("cookiecutter"))[:3]
        if tuple(map(int, numbers)) >= OLDEST:
            return [sys.executable, "-m", "cookiecutter"]
    uv = shutil.which("uv", path=shell.environment()["PATH"])
    if uv is None:
        raise Fault(
            "cookiecutter renders the template, and is not here; nor is uv, which would fetch it.\n"
            "Install one of them: pip install uv (or: pip install 'cookiecutter>=2.7.1')"
        )
    pin = re.search(r"^cookiecutter==\S+", PINS.read_text("utf-8"), re.MULTILINE)
    assert pin is not None
    run = [uv, "tool", "run", "--quiet", "--isolated", "--python", sys.executable]
    return [*run, "--constraints", str(PINS), "--from", pin[0], "cookiecutter"]
