"""How every contract file is read, checked and written: strictly, with errors a person can act on, never half-way."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml.errors import Fault


class Contract(BaseModel):
    """Base of all contract files: unknown keys are refused, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def parse(cls, content: Any, origin: str) -> Self:
        """Check plain data. Raises :class:`Fault` naming every wrong key of the file ``origin``."""
        try:
            return cls.model_validate(content)
        except ValidationError as wrong:
            lines = [f"  {'.'.join(map(str, e['loc'])) or '(file)'}: {e['msg']}" for e in wrong.errors()]
            raise Fault(f"{origin} is not valid:\n" + "\n".join(lines)) from None

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read YAML or JSON, by suffix, and check it."""
        return cls.parse(read_plain(path), str(path))

    def write_json(self, path: Path | str) -> None:
        """Write as JSON: fixed key order, two spaces, one final newline, replaced in one step."""
        write_text(path, to_json(self.model_dump(mode="json")))


def to_json(content: Any) -> str:
    """JSON as this project writes it; NaN and infinities are refused with ValueError."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_plain(path: Path | str) -> Any:
    """The plain content of a YAML 1.2 (as DVC reads it) or JSON file. Raises :class:`Fault`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fault(f"{path} is missing. Run this in the project's folder, where dvc.yaml is.") from None
    except UnicodeDecodeError:
        raise Fault(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    try:
        return json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    except (YAMLError, json.JSONDecodeError) as wrong:
        raise Fault(f"{path} cannot be read: {wrong}") from None


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text by way of a temporary file in the same folder, so that no reader sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
