"""Files the team decides in, read strictly: what cannot be meant is refused, naming the key and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError


class ConfigError(Exception):
    """A file of the team's says something that cannot be meant; the message names the key and the fix."""


class Strict(BaseModel):
    """Keys as declared and no others. ``unwritten``: fields that the reader fills, and nobody writes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    unwritten: ClassVar[frozenset[str]] = frozenset()


Model = TypeVar("Model", bound=Strict)


def read(path: Path | str) -> dict[str, Any]:
    """The keys and values of a YAML 1.2 file. Raises :class:`ConfigError`."""
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


def parse(model: type[Model], content: Any, origin: Path | str) -> Model:
    """Content as a model. Raises :class:`ConfigError` with every problem, one line for each key."""
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


def _say(model: type[Strict], error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no such key{near(str(error['loc'][-1]), _keys_at(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return "this key is missing"
    text = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    value = error.get("input")
    return text if error["type"] == "value_error" or isinstance(value, dict) else f"{text}, not {value!r}"


def _keys_at(model: type[Strict], location: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand there; none where any may."""
    here: Any = model
    for part in location:
        if get_origin(here) is dict:  # the part is a name of the user's
            here = get_args(here)[1]
        elif isinstance(here, type) and issubclass(here, Strict) and part in here.model_fields:
            here = here.model_fields[str(part)].annotation
        else:
            return []
    if not (isinstance(here, type) and issubclass(here, Strict)):
        return []
    return [name for name in here.model_fields if name not in here.unwritten]


def near(word: str, known: Iterable[object], otherwise: str = "known are", most: int = 20) -> str:
    """What the reader probably meant, or else the list of what there is, if it is no longer than ``most``."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; {otherwise} {', '.join(names)}" if names and len(names) <= most else ""
