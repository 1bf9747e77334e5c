"""What may change the bytes of a model besides data, code and params: the machine and the libraries."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import threadpoolctl

LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy", "skops")


def platform_facts(estimator: str) -> dict[str, Any]:
    """What may change the bytes of a model: system, CPU and its abilities, BLAS, versions. No clock, no
    host name."""
    # numpy and scipy each bring one, and they are listed in the order of their addresses: that is, in any order.
    blas = {
        f"{p['internal_api']} {p['version']} {p.get('architecture', '')}".strip()
        for p in threadpoolctl.threadpool_info()
        if p["user_api"] == "blas"
    }
    top = estimator.split(".")[0]
    own = (
        metadata.packages_distributions().get(top, [])
        if top not in ("sklearn", (__package__ or "").split(".")[0])
        else []
    )
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "blas": sorted(blas),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in sorted({*LIBRARIES, *own})},
    }


def _cpu() -> str:
    """The model of the CPU, and a digest of what it can do; "unknown" where /proc does not tell."""
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    flags = facts.get("flags") or facts.get("Features") or ""
    model = facts.get("model name") or platform.processor() or "unknown"
    return (
        f"{model} ({hashlib.sha256(' '.join(sorted(flags.split())).encode()).hexdigest()[:12]})"
        if flags
        else model
    )
