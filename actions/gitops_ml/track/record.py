"""What one run of the pipeline was, read from its dvc.lock and from the files that the lock vouches for."""

from __future__ import annotations

import configparser
import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml.contracts.metrics import Metrics
from gitops_ml.errors import Fault
from gitops_ml.track.places import Found, Place

METRICS = "reports/metrics.json"
MODEL = "models/model.skops"
SCHEMA = "schema.yaml"
NAME_LIMIT = 250  # MLflow's limits: mlflow/utils/validation.py
VALUE_LIMIT = 6000


@dataclass(frozen=True)
class Dataset:
    """The raw table: path relative to the project, and its DVC md5."""

    path: str
    md5: str


@dataclass(frozen=True)
class Model:
    """The model's bytes: where they lie on this machine, and their sha256."""

    file: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Record:
    """All that becomes an MLflow run. ``missing`` says why there is no model, with the command that helps."""

    key: str
    title: str
    place: Place
    commit: str | None
    params: dict[str, str]
    metrics: dict[str, float]
    dataset: Dataset | None
    requirements: list[str]
    package: str | None
    schema: dict[str, Any] | None
    model: Model | None
    missing: str | None


class Stale(Exception):
    """The files beside a lock are not those that the lock names."""


def read(found: Found, package: str | None) -> Record:
    """The record of a lock. Raises :class:`Stale` if no place has the files that the lock vouches for."""
    stages = _stages(found)
    for place in found.places:
        if not _wrong(place, stages):
            break
    else:
        wrong = _wrong(found.places[0], stages)
        raise Stale(", ".join(wrong[:3]))
    md5s = _md5s(stages)
    model, missing = _model(place.root, md5s)
    content = place.read(SCHEMA)
    return Record(
        key=found.key,
        title=place.title,
        place=place,
        commit=found.commit,
        params=params(stages),
        metrics=_metrics(place, md5s),
        dataset=_dataset(stages),
        requirements=_requirements(stages, place),
        package=package if package and place.names(f"src/{package}") else None,
        schema=_yaml(content) if content else None,
        model=model,
        missing=missing,
    )


def _yaml(content: bytes) -> dict[str, Any]:
    try:
        loaded = YAML(typ="safe", pure=True).load(content.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _stages(found: Found) -> dict[str, Any]:
    stages = _yaml(found.lock).get("stages")
    if not isinstance(stages, dict):
        raise Fault(
            f"dvc.lock of {found.places[0].title} cannot be read. Restore it: git checkout -- dvc.lock"
        )
    return stages


def _entries(stages: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for stage in stages.values() for part in ("deps", "outs") for entry in stage.get(part, [])]


def _md5s(stages: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in _entries(stages) if "md5" in entry}


def _wrong(place: Place, stages: dict[str, Any]) -> list[str]:
    """Files that the run is told by (code, schema, metrics) and that differ from what the lock names."""
    told = {
        path: md5
        for path, md5 in _md5s(stages).items()
        if (path.startswith("src/") or path in (SCHEMA, METRICS)) and not md5.endswith(".dir")
    }
    return [path for path, md5 in told.items() if _md5(place.read(path)) != md5]


def _md5(content: bytes | None) -> str | None:
    return None if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()


def _metrics(place: Place, md5s: dict[str, str]) -> dict[str, float]:
    content = place.read(METRICS) if METRICS in md5s else None
    if content is None:
        return {}
    metrics = Metrics.parse(json.loads(content), METRICS)
    numbers: dict[str, float] = {"n": metrics.n}
    for name, metric in metrics.values.items():
        for suffix, value in (("", metric.value), (".low", metric.low), (".high", metric.high)):
            if value is not None:
                numbers[_name(name + suffix)] = value
    return numbers


def params(stages: dict[str, Any]) -> dict[str, str]:
    """Flat params as MLflow takes them: names of allowed characters, values of at most 6000 characters."""
    flat: dict[str, str] = {}
    for stage in stages.values():
        for file, values in stage.get("params", {}).items():
            prefix = "" if file == "params.yaml" else f"{Path(file).stem}."
            for name, value in _flatten(values, prefix):
                if name != "pyproject.project.dependencies":  # the model's requirements say it
                    flat[_name(name)] = value if len(value) <= VALUE_LIMIT else value[: VALUE_LIMIT - 1] + "…"
    return flat


def _flatten(values: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            rows.append((f"{prefix}{name}", text))
    return rows


def _name(name: str) -> str:
    """A name that MLflow takes. One that had to change carries a digest, so that two never become one."""
    allowed = re.sub(r"[^\w\-. /:]", "_", name)
    # MLflow reads names as paths: no empty part, no "..", no leading slash.
    plain = allowed == name and len(name) <= NAME_LIMIT and not re.search(r"(^|/)\.{0,2}(/|$)", name)
    if plain:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{allowed.replace('/', '_')[: NAME_LIMIT - 9].strip('.')}-{digest}"


def _dataset(stages: dict[str, Any]) -> Dataset | None:
    """The first dependency that lies under data/ and that no stage makes."""
    made = {entry["path"] for stage in stages.values() for entry in stage.get("outs", [])}
    for stage in stages.values():
        for entry in stage.get("deps", []):
            if entry["path"].startswith("data/") and entry["path"] not in made and "md5" in entry:
                return Dataset(entry["path"], entry["md5"])
    return None


def _requirements(stages: dict[str, Any], place: Place) -> list[str]:
    """The exact pins that the lock recorded; else those of pyproject.toml at that place."""
    for stage in stages.values():
        pinned = stage.get("params", {}).get("pyproject.toml", {}).get("project.dependencies")
        if pinned:
            return [str(requirement) for requirement in pinned]
    try:
        content = tomllib.loads((place.read("pyproject.toml") or b"").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return []
    return list(content.get("project", {}).get("dependencies", []))


def _model(root: Path, md5s: dict[str, str]) -> tuple[Model | None, str | None]:
    """The model's bytes in the workspace or in DVC's cache, whichever has the md5 that the lock names."""
    md5 = md5s.get(MODEL)
    if md5 is None:
        return None, "its dvc.lock names no models/model.skops. Finish the pipeline: gitops-ml reproduce"
    for file in (root / MODEL, _cache(root) / "files" / "md5" / md5[:2] / md5[2:]):
        try:
            content = file.read_bytes()
        except OSError:
            continue
        if _md5(content) == md5:
            return Model(file, hashlib.sha256(content).hexdigest(), len(content)), None
    return None, f"{MODEL} (md5 {md5[:8]}) is not on this machine. Fetch it: dvc fetch {MODEL}, then: " + (
        "gitops-ml track sync --force"
    )


def _cache(root: Path) -> Path:
    """DVC's cache: .dvc/cache, or what `cache.dir` of .dvc/config.local or .dvc/config names."""
    for name in ("config.local", "config"):
        config = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            config.read_string((root / ".dvc" / name).read_text(encoding="utf-8"))
        except (OSError, configparser.Error):
            continue
        folder = config.get("cache", "dir", fallback=None)
        if folder:
            return (root / ".dvc" / folder.strip("'\"")).resolve()
    return root / ".dvc" / "cache"
