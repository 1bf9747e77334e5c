"""The reference pages say what the code says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tools.reference import PAGES, ROOT


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """Every page as the code gives it, from a process of its own: click remembers what other tests asked."""
    command = [sys.executable, "-c", "import json; from tests.tools.reference import PAGES; "]
    command[2] += "print(json.dumps({name: page() for name, page in PAGES.items()}))"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pages: dict[str, str] = json.loads(done.stdout)
    return pages


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_what_the_code_says(name: str, written: dict[str, str]) -> None:
    page = Path(ROOT, name)
    assert page.exists(), "run: make docs"
    assert page.read_text("utf-8") == written[name], "run: make docs"
