"""Format the template's Python as a generated project's own hooks want it, for package names of any length.

``make format``: the name's placeholder becomes a short name, ruff formats and sorts, and the placeholder comes back.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "<<cookiecutter.project_slug>>"
PLACEHOLDER, NAME = "<<cookiecutter.package_name>>", "qwertz"
RULES = ["--isolated", "--line-length=110", "--no-cache"]


def main() -> None:
    ruff = str(Path(sys.executable).parent / "ruff")
    paths = [path for path in sorted(TEMPLATE.rglob("*.py")) if ".github" not in path.parts]
    with tempfile.TemporaryDirectory() as scratch:
        copies = []
        for path in paths:
            copy = Path(scratch, str(path.relative_to(TEMPLATE)).replace(PLACEHOLDER, NAME))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text(encoding="utf-8").replace(PLACEHOLDER, NAME), encoding="utf-8")
            copies.append(copy)
        names = [str(copy) for copy in copies]
        sort = ["check", "--isolated", "--no-cache", "--quiet", "--select=I", "--fix", "--config=src=['src']"]
        subprocess.run([ruff, *sort, *names], cwd=scratch, check=True)
        subprocess.run([ruff, "format", "--quiet", *RULES, *names], cwd=scratch, check=True)
        for path, copy in zip(paths, copies, strict=True):
            text = copy.read_text(encoding="utf-8").replace(NAME, PLACEHOLDER)
            if text != path.read_text(encoding="utf-8"):
                path.write_text(text, encoding="utf-8")
                print(f"formatted {path.relative_to(TEMPLATE)}")


if __name__ == "__main__":
    main()
