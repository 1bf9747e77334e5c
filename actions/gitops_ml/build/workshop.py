"""A folder of DVC bytes that nobody filled before us: what a pull request committed as cache or run-cache is not read."""

from __future__ import annotations

import configparser
import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault


@contextlib.contextmanager
def fresh(prefix: str = "gitops-ml-") -> Iterator[Path]:
    """An empty folder of this job, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("RUNNER_TEMP") or None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def apart(head: Path, isolated: bool) -> Iterator[dict[str, str]]:
    """Additions to the environment of DVC; when ``isolated``, its cache and its own notes lie outside the checkout.

    .dvc/tmp and .dvc/cache of the checkout are removed then (a fresh clone has none), and the settings that say where
    bytes are kept are overruled in .dvc/config.local until the end. Raises :class:`Fault`.
    """
    if not isolated:
        yield {}
        return
    dvc = head / ".dvc"
    if dvc.is_symlink() or not dvc.is_dir():
        raise Fault(f"{dvc} is not a folder. Bring it back: git checkout origin/main -- .dvc")
    for name in ("tmp", "cache"):
        if (dvc / name).is_symlink() or (dvc / name).is_file():
            (dvc / name).unlink()
        else:
            shutil.rmtree(dvc / name, ignore_errors=True)
    local = dvc / "config.local"
    before = None
    # A job's own settings (a login of the storage) stay; what came with the commit does not.
    if (
        local.is_file()
        and not local.is_symlink()
        and not shell.ask_git(head, "ls-files", "--", ".dvc/config.local")
    ):
        before = local.read_bytes()
    with fresh("gitops-ml-dvc-") as folder:
        local.unlink(missing_ok=True)
        local.write_text(settings(before, folder / "cache"), encoding="utf-8")
        try:
            yield {"DVC_SITE_CACHE_DIR": str(folder / "site")}
        finally:
            local.unlink(missing_ok=True)
            if before is not None:
                local.write_bytes(before)


def settings(before: bytes | None, cache: Path) -> str:
    """A text for .dvc/config.local: what stood there, and another cache. Raises :class:`Fault`."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string((before or b"").decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError):
        raise Fault(".dvc/config.local cannot be read. Look at it, or remove it.") from None
    if not parser.has_section("cache"):
        parser.add_section("cache")
    parser.set("cache", "dir", str(cache))
    parser.set("cache", "type", "reflink,copy")  # no link by which a stage could reach into the cache
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()
