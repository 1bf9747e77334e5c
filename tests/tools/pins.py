"""Choose the versions this template is tested with, and write them down without naming any host.

``make pins`` resolves every group of a generated project and of this repository afresh, and writes

* the ``constraint-dependencies`` at the end of the template's pyproject.toml, from which a project locks itself, and
* actions/requirements.txt, what the suite runs on in a workflow, of the same versions, and
* tests/constraints.txt, the same for this repository's own tools, and
* actions/gitops_ml/template/requirements.txt, what renders a newer template in a project: cookiecutter, of the same versions.

The exact versions in ``project.dependencies`` of the template are chosen by hand: they decide the model's bytes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "<<cookiecutter.project_slug>>" / "pyproject.toml"
REQUIREMENTS = ROOT / "actions" / "requirements.txt"
RENDER = ROOT / "actions" / "gitops_ml" / "template" / "requirements.txt"
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
STORAGE_EXTRAS = "[s3,gs,azure,ssh]"
HEAD = (
    "# The versions this template was tested with; uv.lock is made from them. Raise them in a pull request."
)
BLOCK = re.compile(r"\n*" + re.escape(HEAD) + r"\nconstraint-dependencies = \[\n.*?\n\]\n", re.DOTALL)


def resolved(pyproject: str) -> list[str]:
    """Every package that the groups of a pyproject.toml lead to, as `name==version ; marker`, sorted."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "pyproject.toml").write_text(pyproject, encoding="utf-8")
        shutil.copytree(
            ROOT / "actions", Path(scratch, "actions"), ignore=shutil.ignore_patterns("__pycache__")
        )
        uv = ["uv", "--quiet", "--directory", scratch]
        subprocess.run([*uv, "lock", "--upgrade"], check=True)
        export = [
            "export",
            "--all-groups",
            "--no-hashes",
            "--no-annotate",
            "--no-header",
            "--no-emit-project",
        ]
        done = subprocess.run(
            [*uv, *export, "--no-emit-package=gitops-ml"], check=True, capture_output=True, text=True
        )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip() and not line.startswith("-e ")]
    return sorted(line for line in lines if "==" in line)


def template_pyproject() -> str:
    """The template's pyproject.toml with plain answers, every storage extra, and no constraints."""
    text = BLOCK.sub("\n", TEMPLATE.read_text(encoding="utf-8"))
    text = text.replace("<<cookiecutter.__storage_extra>>", STORAGE_EXTRAS)
    text = re.sub(r"<<cookiecutter\.(?!package_name|__)[^>]*>>", "demo", text).replace(
        "<<cookiecutter.package_name>>", "demo"
    )
    return text.replace('".github/actions", editable', '"actions", editable')


def suite_requirements(pins: list[str]) -> str:
    """The closure of the suite's own dependencies and uv, at the versions already chosen."""
    with tempfile.TemporaryDirectory() as scratch:
        constraints, wanted = Path(scratch, "constraints.txt"), Path(scratch, "wanted.in")
        constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
        wanted.write_text("uv>=0.9,<1\n", encoding="utf-8")
        compile_ = ["uv", "--quiet", "pip", "compile", "--universal", "--python-version", "3.11"]
        compile_ += ["--no-header", "--no-annotate", "--no-emit-index-url", "--constraint", str(constraints)]
        done = subprocess.run(
            [*compile_, str(ROOT / "actions" / "pyproject.toml"), str(wanted)],
            check=True,
            capture_output=True,
            text=True,
        )
    return "# What the suite runs on in a workflow, exactly. Written by `make pins`.\n" + done.stdout


def render_requirements() -> str:
    """cookiecutter and what it needs, at the versions in tests/constraints.txt."""
    compile_ = ["uv", "--quiet", "pip", "compile", "--universal", "--python-version", "3.11", "--no-header"]
    compile_ += ["--no-annotate", "--no-emit-index-url", "--constraint", str(CONSTRAINTS), "-"]
    done = subprocess.run(
        compile_, check=True, capture_output=True, text=True, input="cookiecutter>=2.7.1,<3\n"
    )
    return "# What renders the template, exactly. Written by `make pins`.\n" + done.stdout


def main() -> None:
    pins = resolved(template_pyproject())
    quoted = "".join(f"    {line!r},\n" if '"' in line else f'    "{line}",\n' for line in pins)
    block = f"\n{HEAD}\nconstraint-dependencies = [\n{quoted}]\n"
    text = BLOCK.sub("\n", TEMPLATE.read_text(encoding="utf-8")).rstrip("\n") + "\n"
    marker = 'default-groups = ["train"]\n'
    TEMPLATE.write_text(text.replace(marker, marker + block), encoding="utf-8")

    REQUIREMENTS.write_text(suite_requirements(pins), encoding="utf-8")
    own = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = f"[tool.uv]\nconstraint-dependencies = [\n{quoted}]\n"
    CONSTRAINTS.write_text("\n".join(resolved(own.replace("[tool.uv]\n", settings))) + "\n", encoding="utf-8")
    RENDER.write_text(render_requirements(), encoding="utf-8")


if __name__ == "__main__":
    main()
