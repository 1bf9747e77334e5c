"""The reference pages say what the code says."""

from __future__ import annotations

import pytest
from tests.tools.reference import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run: make docs"
