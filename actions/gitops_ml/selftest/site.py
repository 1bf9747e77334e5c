"""A project's files as a plant changes them: its pipeline, table, contract and policy; what cannot be changed says why."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gitops_ml.adopt.yaml_text import edited
from gitops_ml.build import pipeline as pipelines
from gitops_ml.build.predicting import package
from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import Column, SchemaFile
from gitops_ml.errors import Fault
from gitops_ml.selftest import planted
from gitops_ml.selftest.table import Cell, extended, md5_of
from gitops_ml.storage import pull
from gitops_ml.storage.cache import Cache

HOOK = "planted.py"
TRAIN_ROWS, MODEL = "data/prepared/train.parquet", "models/model.skops"


class Impossible(Fault):
    """A failure that this project gives no place to plant; the message says why."""


@dataclass(frozen=True)
class Site:
    """A checkout of the project, at the commit that a plant starts from. Properties are of that commit."""

    root: Path

    @cached_property
    def schema(self) -> SchemaFile:
        return SchemaFile.read(self.root / "schema.yaml")

    @cached_property
    def policy(self) -> PolicyFile:
        return PolicyFile.read(self.root / "policy.yaml")

    @cached_property
    def package(self) -> Path:
        """The folder of the team's package."""
        return self.root / "src" / package(self.root)

    @property
    def features(self) -> dict[str, Column]:
        return {name: self.schema.columns[name] for name in self.schema.features}

    @cached_property
    def importance(self) -> list[str]:
        """Features, the most important first, as the project's evaluation has them."""
        path = self.root / "reports/evaluation.json"
        listed = [one.feature for one in Evaluation.read(path).importance] if path.is_file() else []
        known = [name for name in listed if name in self.features]
        return known + [name for name in self.features if name not in known]

    # ------------------------------------------------------------ the pipeline

    def hook(self, out: str, *arguments: str) -> None:
        """Run `planted.py` with these arguments in the stage that writes ``out``, before anything looks at the result."""
        ours = " ".join(["python", HOOK, *map(_quoted, arguments)])

        def insert(content: Any) -> None:
            stage = next(filter(lambda one: _writes(one, out), content["stages"].values()), None)
            if stage is None:
                raise Impossible(f"no stage of dvc.yaml writes {out}")
            commands = stage["cmd"] if isinstance(stage["cmd"], list) else [stage["cmd"]]
            describing = [n for n, one in enumerate(commands) if "gitops-ml profile" in one]
            commands.insert(describing[0] if describing else len(commands), ours)
            stage["cmd"] = commands

        self.edit("dvc.yaml", insert)
        shutil.copyfile(planted.__file__, self.root / HOOK)

    # ------------------------------------------------------------ the table

    @property
    def table(self) -> Path:
        path = self.root / ParamsFile.read(self.root / "params.yaml").data.table
        if path.is_dir():
            raise Impossible(f"{path.relative_to(self.root)} is a folder, and only a file is changed here")
        return path

    @property
    def pointer(self) -> Path | None:
        """The `.dvc` file of the table; None where the table is in git."""
        path = self.table.with_name(f"{self.table.name}.dvc")
        return path if path.is_file() else None

    @property
    def named(self) -> str:
        """The md5 that the table's `.dvc` file names."""
        assert self.pointer is not None  # asked only of a plant that has written one
        found = pipelines.table(
            self.pointer.read_text("utf-8"), self.pointer.relative_to(self.root).as_posix()
        )
        return next(iter(found.values()))

    def rows(self) -> Path:
        """The table with its bytes."""
        if not self.table.is_file():
            pull(self.root, [self.table.relative_to(self.root).as_posix()])
        return self.table

    def point(self, md5: str, size: int) -> None:
        """Let the table's `.dvc` file name these bytes; a table in git goes under DVC for it."""
        name, pointer = self.table.name, self.pointer
        if pointer is None:
            pointer = self.table.with_name(f"{name}.dvc")
            write_text(
                pointer, f"outs:\n- md5: {md5}\n  size: {size}\n  hash: md5\n  path: {json.dumps(name)}\n"
            )
            ignored = self.table.with_name(".gitignore")
            before = ignored.read_text("utf-8") if ignored.is_file() else ""
            write_text(ignored, f"{before}/{name}\n")
        else:
            path = pointer.relative_to(self.root).as_posix()
            self.edit(path, lambda content: content["outs"][0].update(md5=md5, size=size))
        self.table.unlink(missing_ok=True)

    def add_column(self, name: str, cell: Cell, column: Mapping[str, Any]) -> None:
        """Give every row of the table a cell, made of its target's, and declare the column."""
        table = self.rows()
        changed = table.with_name(f".{table.name}.planted")
        extended(table, changed, self.schema, name, cell)
        if self.pointer is None:
            changed.replace(table)
        else:
            md5, size = md5_of(changed), changed.stat().st_size
            Cache(self.root).keep(changed, md5)
            self.point(md5, size)
        self.edit("schema.yaml", lambda content: content["columns"].update({name: dict(column)}))

    # ------------------------------------------------------------ files of people

    def edit(self, path: str, change: Callable[[Any], object]) -> None:
        """Change a YAML file in place; its comments stay."""
        file = self.root / path

        def quietly(content: Any) -> None:
            change(content)

        write_text(file, edited(file, quietly))


def merged(policy: bytes, more: Mapping[str, Any]) -> bytes:
    """A policy with some keys set, nested ones too; what the suite does not know is a :class:`Fault` of the contract."""
    content = YAML(typ="safe", pure=True).load(policy.decode("utf-8"))
    _merge(content, more)
    PolicyFile.parse(content, "policy.yaml")
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(content, text)
    return text.getvalue().encode()


def _merge(content: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(content.get(key), dict):
            _merge(content[key], value)
        else:
            content[key] = value


def _writes(stage: Any, out: str) -> bool:
    return any(_path(one) == out for one in stage.get("outs", []))


def _path(out: Any) -> str:
    return str(next(iter(out))) if isinstance(out, Mapping) else str(out)


def _quoted(argument: str) -> str:
    """For a shell, and for DVC, which fills in `${...}` of a command."""
    return shlex.quote(argument).replace("${", "\\${")
