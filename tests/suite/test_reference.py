"""The reference pages say what the code says."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.tools.reference import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    """In a process of its own: click remembers the options of a command that another test called alone."""
    command = [sys.executable, "-m", "tests.tools.reference", name]
    page = subprocess.run(command, cwd=FOLDER.parents[1], check=True, capture_output=True, text=True).stdout
    assert (FOLDER / name).read_text(encoding="utf-8") == page, "run: make docs"
