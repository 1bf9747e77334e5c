"""The tutorial works as written: its commands, in its order, in one shell."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.template.conftest import ROOT, clean_environment
from tests.template.tables import mixed

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.xdist_group("tutorial")
def test_tutorial(tmp_path: Path) -> None:
    table = tmp_path / "churn.csv"
    mixed(300).to_csv(table, index=False)
    blocks = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 7
    home = tmp_path / "home"
    home.mkdir()
    environment = clean_environment(home) | {"TEMPLATE": str(ROOT), "TABLE": str(table), "EDITOR": "true"}
    script = "set -euo pipefail\n" + "\n".join(f"echo '--- {i}'\n{block}" for i, block in enumerate(blocks))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    printed = dict(re.findall(r"--- (\d+)\n(.*?)(?=--- \d|\Z)", done.stdout, re.DOTALL))
    assert "First run" in printed["1"]
    assert "stopped, as it must" in done.stdout and "row" in done.stderr
    assert "max_iter" in printed["4"] or "max_iter" in done.stdout


def test_every_link_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert os.path.exists(page.parent / target), f"{page.name}: {target}"
