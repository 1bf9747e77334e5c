"""What the team decided in files: schema.yaml (the data contract) and params.yaml (the knobs), read
strictly."""

from __future__ import annotations

import difflib
import math
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Label = StrictBool | StrictInt | StrictStr
Role = Literal["feature", "target", "id", "time", "group", "ignored"]
Type = Literal["number", "integer", "boolean", "category", "datetime", "text"]
Kind = Literal["binary", "multiclass", "regression"]


class ConfigError(Exception):
    """A file of the team's says something that cannot be meant; the message names the key and the fix."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# ---------------------------------------------------------------- schema.yaml


class File(_Strict):
    """How the table is stored. The last three describe a CSV."""

    format: Literal["csv", "parquet"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: str = Field(default=".", min_length=1, max_length=1)
    encoding: str = "utf-8"


class Column(_Strict):
    """One column of the table: what it is for, what it holds, what may be in it."""

    name: str = Field(min_length=1)
    role: Role
    type: Type
    nullable: bool = False
    available: bool = True
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Label, ...] | None = None
    positive: Label | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        if (self.minimum is not None or self.maximum is not None) and self.type not in ("number", "integer"):
            raise ValueError(f"minimum and maximum need type number or integer, not {self.type}")
        for bound in (self.minimum, self.maximum):
            if bound is not None and not math.isfinite(bound):
                raise ValueError("minimum and maximum are finite numbers; leave the key out for no limit")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is greater than maximum {self.maximum:g}")
        if self.categories is not None:
            self._check_categories(self.categories)
        if self.positive is not None and (
            self.role != "target" or self.positive not in (self.categories or ())
        ):
            raise ValueError("positive is one of the categories of the target")
        return self

    def _check_categories(self, categories: tuple[Label, ...]) -> None:
        wanted = {"category": str, "text": str, "integer": int, "boolean": bool}.get(self.type)
        if wanted is None or (self.role != "target" and self.type != "category"):
            raise ValueError(f"categories need type category, not {self.type}")
        if not categories:
            raise ValueError("categories is empty; leave the key out to allow any value")
        wrong = [value for value in categories if type(value) is not wanted]
        if wrong:
            hint = f"write '{wrong[0]}' in quotes" if wanted is str else f"write them as {wanted.__name__}"
            raise ValueError(f"category {wrong[0]!r} is not of the column's type {self.type}: {hint}")
        if len(set(categories)) < len(categories):
            raise ValueError("a category is listed twice")


class Schema(_Strict):
    """The data contract. ``columns`` keeps the order of the file."""

    version: Literal[1]
    task: Literal["classification", "regression"]
    file: File = File()
    columns: dict[str, Column]

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        for role in ("target", "id", "time", "group"):
            names = [c.name for c in self.columns.values() if c.role == role]
            if len(names) > 1:
                raise ValueError(f"{len(names)} columns have the role {role} ({', '.join(names)}); keep one")
            if role == "target" and not names:
                raise ValueError("no column has the role target; give it to the column to predict")
        target = self.target
        if self.task == "classification":
            if target.type not in ("category", "integer", "boolean"):
                raise ValueError(
                    f"a class to predict is category, integer or boolean; {target.name} is {target.type}"
                )
            if len(target.categories or ()) < 2:
                raise ValueError(
                    f"the target {target.name} needs categories: the list of its classes, two or more"
                )
            if target.positive is not None and len(target.categories or ()) != 2:
                raise ValueError(
                    f"positive is for a target of two classes; {target.name} has more: remove it"
                )
        elif target.type not in ("number", "integer"):
            raise ValueError(f"a number to predict is number or integer; {target.name} is {target.type}")
        if self.time is not None and self.columns[self.time].type not in ("datetime", "number", "integer"):
            raise ValueError(f"the time column {self.time} must be datetime, number or integer")
        if not self.features:
            raise ValueError(
                "no column is left for the model: give at least one the role feature, available: true"
            )
        return self

    def _named(self, role: Role) -> str | None:
        return next((c.name for c in self.columns.values() if c.role == role), None)

    @cached_property
    def target(self) -> Column:
        """The column to predict."""
        return next(c for c in self.columns.values() if c.role == "target")

    @cached_property
    def features(self) -> list[Column]:
        """What the model may see: role feature and known at prediction time, in the order of the file."""
        return [c for c in self.columns.values() if c.role == "feature" and c.available]

    @cached_property
    def kept(self) -> list[Column]:
        """What prepare keeps: every column that is not ignored, in the order of the file."""
        return [c for c in self.columns.values() if c.role != "ignored"]

    @property
    def id(self) -> str | None:
        """The column that names a row, if declared."""
        return self._named("id")

    @property
    def time(self) -> str | None:
        """The column that orders rows in time, if declared."""
        return self._named("time")

    @property
    def group(self) -> str | None:
        """The column whose values must not be spread over train and test, if declared."""
        return self._named("group")

    @property
    def classes(self) -> list[bool | int | str] | None:
        """The classes in sorted order (as scikit-learn orders them), or None for regression."""
        return sorted(self.target.categories or ()) if self.task == "classification" else None

    @property
    def kind(self) -> Kind:
        """binary, multiclass or regression."""
        if self.classes is None:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def primary(self) -> str:
        """The metric that stands for the model, by scikit-learn's name."""
        return {"binary": "roc_auc", "multiclass": "roc_auc_ovr", "regression": "r2"}[self.kind]

    @property
    def positive(self) -> bool | int | str | None:
        """For two classes: the one whose score is "the" score (default: the last in sorted order)."""
        if self.kind != "binary" or self.classes is None:
            return None
        return self.target.positive if self.target.positive is not None else self.classes[-1]


# ---------------------------------------------------------------- params.yaml


class Split(_Strict):
    """How test rows are chosen."""

    strategy: Literal["random", "time", "group"] = "random"
    test_size: float = Field(default=0.25, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


class Data(_Strict):
    """The table and its split."""

    table: str = Field(min_length=1)
    split: Split = Split()


class Features(_Strict):
    """How columns become numbers."""

    max_categories: int = Field(default=25, ge=2)
    text_components: int = Field(default=16, ge=1)


class Search(_Strict):
    """Which values of the estimator's parameters are tried, and how."""

    strategy: Literal["halving", "grid", "random"] | None = None
    space: dict[str, list[Any]] = {}
    metric: str | None = None
    folds: int = Field(default=3, ge=2)
    candidates: int = Field(default=12, ge=1)
    backend: Literal["loky", "dask"] = "loky"
    jobs: int = 1

    @model_validator(mode="after")
    def _consistent(self) -> Search:
        if self.strategy and not self.space:
            raise ValueError("space is empty; list values for at least one parameter, or set strategy: null")
        empty = [name for name, values in self.space.items() if not values]
        if empty:
            raise ValueError(f"space.{empty[0]} is an empty list; give at least one value")
        if self.jobs == 0:
            raise ValueError("jobs: 0 has no meaning; 1 is one process, -1 is one for each core")
        return self


class Train(_Strict):
    """The estimator and how it is fitted."""

    estimator: str = Field(min_length=1)
    params: dict[str, Any] = {}
    class_weight: Literal["balanced"] | dict[Label, float] | None = None
    calibration: Literal["sigmoid", "isotonic"] | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    threads: int = Field(default=1, ge=1)
    search: Search = Search()

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, content: Any) -> Any:
        # `params:` with nothing below it is null in YAML, and means none
        if isinstance(content, dict) and content.get("params", {}) is None:
            content = {**content, "params": {}}
        return content


class Evaluate(_Strict):
    """How the model is measured."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    importance_repeats: int = Field(default=5, ge=1)
    importance_rows: int = Field(default=20_000, ge=2)
    learning_curve: bool = False


class Params(_Strict):
    """All of params.yaml."""

    data: Data
    features: Features = Features()
    train: Train
    evaluate: Evaluate = Evaluate()


class Slice(_Strict):
    """Test rows that get numbers of their own: by category, or by quantile of a number."""

    column: str
    quantiles: int | None = Field(default=None, ge=2, le=20)


# ---------------------------------------------------------------- reading


def load_schema(path: Path | str = "schema.yaml") -> Schema:
    """Read the data contract. Raises :class:`ConfigError`."""
    content = _read(path)
    columns = content.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise ConfigError(
            f"{path}: columns is missing or empty. Write it from a table: uv run gitops-ml adopt TABLE "
            f"--target COLUMN"
        )
    for name, entry in columns.items():
        if not isinstance(name, str):
            raise ConfigError(f"{path}: the column name {name!r} is not text. Write it in quotes: '{name}'")
        if not isinstance(entry, dict):
            raise ConfigError(
                f"{path}: columns.{name} must be a mapping such as {{role: feature, type: number}}"
            )
        if "name" in entry:
            raise ConfigError(
                f"{path}: columns.{name}.name is not a key; the name is the key itself. Remove it"
            )
    content = {**content, "columns": {name: {**entry, "name": name} for name, entry in columns.items()}}
    return _parse(Schema, content, path)


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read the knobs. Raises :class:`ConfigError`."""
    return _parse(Params, _read(path), path)


def load_slices(path: Path | str, schema: Schema) -> tuple[list[Slice], int]:
    """The slices of policy.yaml and the fewest rows that are judged. Other keys are not this package's
    business."""
    content = _read(path)
    minimum = content.get("min_slice_rows", 30)
    if type(minimum) is not int or minimum < 1:
        raise ConfigError(f"{path}: min_slice_rows must be a whole number of 1 or more, not {minimum!r}")
    listed = content.get("slices")
    if not isinstance(listed, list | None):
        raise ConfigError(f"{path}: slices must be a list such as [{{column: plan}}]")
    slices = [_parse(Slice, entry, f"{path}: slices[{number}]") for number, entry in enumerate(listed or [])]
    kept = {column.name: column for column in schema.kept}
    for entry in slices:
        if entry.column not in kept:
            raise ConfigError(
                f"{path}: slices names the column {entry.column!r}, which is not kept in "
                f"schema.yaml{_near(entry.column, kept)}"
            )
        numeric = kept[entry.column].type in ("number", "integer")
        if entry.quantiles is None and kept[entry.column].type in ("number", "text", "datetime"):
            raise ConfigError(
                f"{path}: the slice by {entry.column!r} ({kept[entry.column].type}) needs quantiles, such "
                f"as {{column: {entry.column}, quantiles: 4}}"
            )
        if entry.quantiles is not None and not numeric:
            raise ConfigError(
                f"{path}: the slice by {entry.column!r} ({kept[entry.column].type}) has no quantiles; "
                f"remove that key"
            )
    return slices, minimum


def _read(path: Path | str) -> dict[str, Any]:
    path = Path(path)
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is missing. Run this in the project's folder, where dvc.yaml is."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    except DuplicateKeyError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else "?"
        problem = str(wrong.problem).split(" with value")[0]
        raise ConfigError(f"{path}, line {line}: {problem}. Keep one of the two.") from None
    except MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not valid YAML: {wrong.problem or wrong.context}") from None
    except (YAMLError, ValueError) as wrong:
        raise ConfigError(f"{path} is not valid YAML: {wrong}") from None
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} must hold keys and values; it holds "
            f"{'nothing' if content is None else type(content).__name__}."
        )
    return content


Model = TypeVar("Model", bound=_Strict)


def _parse(model: type[Model], content: Any, origin: Path | str) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as wrong:
        problems: dict[str, str] = {}
        for error in wrong.errors():
            where = ".".join(str(part) for part in error["loc"] if not _is_branch(part))
            problems.setdefault(where, _say(model, error))
        lines = "\n".join(f"  {where + ': ' if where else ''}{text}" for where, text in problems.items())
        raise ConfigError(f"{origin} is not valid:\n{lines}") from None


def _is_branch(part: str | int) -> bool:
    """Whether pydantic put this into a location only to say which branch of a union it tried."""
    return isinstance(part, str) and (
        part in ("bool", "int", "str") or part.startswith(("literal[", "dict["))
    )


def _say(model: type[BaseModel], error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no such key{_near(str(error['loc'][-1]), _keys_at(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return "this key is missing"
    text = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    value = error.get("input")
    return text if error["type"] == "value_error" or isinstance(value, dict) else f"{text}, not {value!r}"


def _keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:  # below `columns`, the part is a name of the user's
            continue
        inner = Column if part == "columns" else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [name for name in model.model_fields if model is not Column or name != "name"]


def _near(word: str, known: Any) -> str:
    """What the reader probably meant, or the list of what there is."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names)}" if names and len(names) <= 20 else ""
