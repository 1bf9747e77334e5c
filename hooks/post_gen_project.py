"""Turn the rendered files into a project: lay over the chosen variants, then start the first run.

Whatever fails here, the project stays: cookiecutter deletes it when a hook exits with anything but 0. The last line
printed is then the command that goes on. With GITOPS_ML_RENDER_ONLY set there are files and nothing else: no commit, no
first run. `gitops-ml template update` compares two versions of the template that way.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ANSWERS = json.loads(r"""<< cookiecutter | tojson >>""")
PROJECT = Path.cwd()
SUITE = Path(".github", "actions")
RENDER_ONLY = bool(os.environ.get("GITOPS_ML_RENDER_ONLY"))
ADDRESS = re.compile(r"(https?://|ssh://|git@|gh:|gl:|bb:)[A-Za-z0-9._~:/@-]+")


def choose_variants() -> None:
    """Lay the chosen folders of .variants over the project, and drop the rest: a feature is a file or it is not."""
    chosen = [
        f"license-{ANSWERS['license']}",
        "remote" if ANSWERS["storage"] != "git" else "",
        "regression" if ANSWERS["__sample"] == "regression" else "",
    ]
    for name in filter(None, chosen):
        if Path(".variants", name).is_dir():
            shutil.copytree(Path(".variants", name), ".", dirs_exist_ok=True)
    shutil.rmtree(".variants")
    if ANSWERS["__sample"] == "regression":
        Path("data", "raw", "breast_cancer.csv").unlink()


def tidy() -> None:
    """Drop what Python left in the template's folders. Raises RuntimeError if the template came without links."""
    if not SUITE.is_dir():
        raise RuntimeError(
            "the folder .github/actions did not arrive: a zip download turns links into text files.\n"
            "Generate from git instead: cookiecutter gh:OWNER/cookiecutter-gitops-ml, or a path from `git clone`."
        )
    for litter in ("__pycache__", "*.egg-info", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        for found in list(PROJECT.rglob(litter)):
            shutil.rmtree(found, ignore_errors=True)


def record_source() -> None:
    """Write down where the template came from, for updates; never a path of this machine, nor a password."""
    typed = str(ANSWERS.get("_template") or "")
    if not ADDRESS.fullmatch(typed) or (
        re.match(r"[a-z]+://[^/]*@", typed) and not typed.startswith("ssh://git@")
    ):
        return
    if not typed.endswith(".zip"):
        path = Path(".gitops-ml.yaml")
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^version: .*$", rf'\g<0>\nsource: "{typed}"', text, count=1, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8", newline="\n")


def table_arguments() -> list[str]:
    """The user's table, as the first run takes it: an absolute path. It goes to .git/config, never into a file."""
    if not ANSWERS["table"]:
        return []
    typed = Path(ANSWERS["table"]).expanduser()
    folders = [Path(os.environ.get("PWD", ".")), Path(ANSWERS.get("_output_dir") or "..")]
    table = next(folder / typed for folder in folders if (folder / typed).is_file()).resolve()
    return [f"--table={table}", f"--target={ANSWERS['target']}", f"--task={ANSWERS['task']}"]


def main() -> None:
    command = [f"{SUITE}/first_run.py"]
    try:
        choose_variants()
        tidy()
        if RENDER_ONLY:
            return
        record_source()
        command += table_arguments()
        if ANSWERS["first_run"] == "no":
            command.append("--commit-only")
        done = subprocess.run([sys.executable, *command], check=False)
        told = done.returncode in (0, 1)  # the script has said what there is to say
    except RuntimeError as wrong:
        print(f"error: {wrong}", file=sys.stderr, flush=True)
        return
    except (KeyboardInterrupt, OSError, StopIteration) as stopped:
        print(f"\nThe first run stopped: {stopped or type(stopped).__name__}", file=sys.stderr)
        told = False
    if not told:
        again = shlex.join(["python3", *command])
        print(
            f"The project is whole. To go on:\ncd {shlex.quote(str(PROJECT))} && {again}",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    main()
