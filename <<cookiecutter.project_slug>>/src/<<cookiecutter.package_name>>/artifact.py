"""The model as bytes: written so that the same model is the same bytes, loaded only when digest and types
are known.

A skops file is a zip with `schema.json` (the object tree) and arrays. skops names nodes and arrays by
`id()` and stamps the clock into the zip; :func:`dumps` renumbers and re-stamps, and the result still loads
with plain skops.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

TRUSTED = Path(__file__).with_name("trusted_types.txt")
MODEL_FILE = "model.skops"
# The zip format's first day: a fixed date, so that the clock leaves no trace.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Real models deflate to between a half and a fiftieth; a file far beyond that was made to fill the memory.
PLAIN_SIZE = 256 * 2**20
LARGEST_RATIO = 100

PICKLE = (
    "It is a pickle or joblib file, which can run any code when it is opened, so it is never loaded. "
    "Train again (`uv run dvc repro`): the project writes skops files."
)


class ArtifactError(Exception):
    """A model file that must not be written or loaded; the message says why and what to do."""


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def trusted_types() -> tuple[str, ...]:
    """The reviewed types of trusted_types.txt; a leading dot stands for this package."""
    lines = (line.split("#")[0].strip() for line in TRUSTED.read_text(encoding="utf-8").splitlines())
    return tuple(f"{__package__}{line}" if line.startswith(".") else line for line in lines if line)


def dumps(model: Any) -> bytes:
    """A fitted model as canonical skops: the same model gives the same bytes in every process.

    Raises :class:`ArtifactError` for types that nobody reviewed, and for objects skops cannot write.
    """
    import skops.io as sio

    try:
        raw = sio.dumps(model)
        unknown = _untrusted(raw)
    except (TypeError, ValueError, NotImplementedError, AttributeError) as wrong:
        raise ArtifactError(
            f"the model cannot be written as a skops file: {wrong}. Use an estimator that holds arrays, "
            f"numbers and "
            "text rather than functions or open files."
        ) from None
    if unknown:
        raise ArtifactError(_unknown_types("the model holds", unknown))
    return _canonical(raw)


def save(model: Any, path: Path | str) -> str:
    """Write :func:`dumps` to ``path`` in one step; returns the SHA-256."""
    data = dumps(model)
    replace(path, data)
    return hashlib.sha256(data).hexdigest()


def replace(path: Path | str, data: bytes) -> None:
    """Write bytes by way of a temporary file in the same folder, so that no reader sees half of them."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: Path | str, sha256: str | None) -> Any:
    """Load a model. The bytes that were hashed are the bytes that are parsed.

    ``sha256``: the digest that was approved; None only where there is nothing to compare with, and then the
    types are still checked. Raises :class:`ArtifactError`.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ArtifactError(
            f"{path} is missing. Make it with `uv run dvc repro`, or fetch it: `uv run gitops-ml storage "
            f"pull`."
        ) from None
    except IsADirectoryError:
        raise ArtifactError(f"{path} is a folder. Name the {MODEL_FILE} file in it.") from None
    return loads(data, sha256, str(path))


def loads(data: bytes, sha256: str | None, origin: str = "the model") -> Any:
    """As :func:`load`, from bytes; ``origin`` is how messages call them."""
    import skops.io as sio
    from skops.io.exceptions import UntrustedTypesFoundException

    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise ArtifactError(
            f"{origin} is not the file that was approved: its sha256 is {found[:12]}..., expected "
            f"{sha256[:12]}.... "
            "Nothing was loaded. Fetch the right bytes (`uv run gitops-ml storage pull`) or build again "
            "(`uv run dvc repro`)."
        )
    _check_container(data, origin)
    try:
        return sio.loads(data, trusted=list(trusted_types()))
    except UntrustedTypesFoundException:
        raise ArtifactError(_unknown_types(f"{origin} holds", _untrusted(data))) from None
    except MemoryError:
        raise ArtifactError(f"{origin} asks for more memory than there is. Nothing was loaded.") from None
    except Exception as wrong:  # a damaged file fails anywhere in skops or numpy
        raise ArtifactError(
            f"{origin} cannot be read ({type(wrong).__name__}: {wrong}). Build it again: `uv run dvc repro`."
        ) from None


def _untrusted(data: bytes) -> list[str]:
    import skops.io as sio

    return sorted(set(sio.get_untrusted_types(data=data)) - set(trusted_types()))


def _unknown_types(start: str, names: list[str]) -> str:
    lines = "\n".join(f"  {name}" for name in names)
    return (
        f"{start} {len(names)} type{'s' if len(names) > 1 else ''} that nobody reviewed:\n{lines}\n"
        f"If you trust that code, add {'these lines' if len(names) > 1 else 'this line'} to "
        f"src/{(__package__ or '').replace('.', '/')}/{TRUSTED.name}, in a pull request."
    )


def _check_container(data: bytes, origin: str) -> None:
    """Refuse anything but a plausible skops zip before a parser sees it."""
    if not data:
        raise ArtifactError(f"{origin} is empty. Build it again: `uv run dvc repro`.")
    if data[:4] != b"PK\x03\x04":
        raise ArtifactError(f"{origin} is not a skops model. {_what_it_is(data)}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise ArtifactError(
            f"{origin} is a damaged zip. Fetch it again: `uv run gitops-ml storage pull`."
        ) from None
    names = [member.filename for member in members]
    if "schema.json" not in names:
        more = (
            PICKLE
            if any(name.endswith((".pkl", ".pickle")) for name in names)
            else "It is a zip of something else."
        )
        raise ArtifactError(f"{origin} is not a skops model. {more}")
    if len(set(names)) < len(names):
        raise ArtifactError(
            f"{origin} holds two entries of one name, which no honest skops file does. Nothing was loaded."
        )
    size = sum(member.file_size for member in members)
    if size > max(PLAIN_SIZE, LARGEST_RATIO * len(data)):
        raise ArtifactError(
            f"{origin} would unpack {len(data) / 1e6:.1f} MB into {size / 1e6:,.0f} MB; it looks like a "
            f"zip bomb. Nothing was loaded."
        )


def _what_it_is(data: bytes) -> str:
    if (data[0] == 0x80 and data[1:2] <= b"\x05") or data[:2] in (b"(l", b"(d", b"c_", b"cc"):
        return PICKLE
    if (
        data[:2] in (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"BZ")
        or data[:4] == b"\xfd7zX"
    ):
        return f"It is compressed, as joblib does. {PICKLE}"
    if data.startswith(b"version https://git-lfs"):
        return "It is a Git LFS pointer: fetch the real file with `git lfs pull`."
    if data.startswith((b"outs:", b"md5:")):
        return (
            "It is a DVC pointer: name the file beside it, and fetch it with `uv run gitops-ml storage pull`."
        )
    return "Its first bytes are not those of a zip."


def _canonical(raw: bytes) -> bytes:
    """Renumber ids and array names in the order of the tree, and write a zip without a clock."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        tree = json.loads(archive.read("schema.json"))
        contents = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    ids: dict[int, int] = {}
    names: dict[str, str] = {}

    def renumber(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("__id__"), int):
                node["__id__"] = ids.setdefault(node["__id__"], len(ids))
            if isinstance(node.get("file"), str) and node["file"] in contents:
                suffix = Path(node["file"]).suffix
                node["file"] = names.setdefault(node["file"], f"{len(names)}{suffix}")
            if node.get("__class__") in ("set", "frozenset") and isinstance(node.get("content"), list):
                node["content"].sort(key=_without_ids)
            for value in node.values():
                renumber(value)
        elif isinstance(node, list):
            for value in node:
                renumber(value)

    renumber(tree)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in [
            *((new, contents[old]) for old, new in names.items()),
            ("schema.json", json.dumps(tree, separators=(",", ":")).encode()),
        ]:
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3  # the same byte on Windows, macOS and Linux
            info.external_attr = 0o644 * 2**16
            archive.writestr(info, data, compress_type=zipfile.ZIP_DEFLATED, compresslevel=6)
    return packed.getvalue()


def _without_ids(node: Any) -> str:
    """A text to sort the members of a set by, free of memory addresses."""
    if isinstance(node, dict):
        return json.dumps(
            {key: _without_ids(value) for key, value in node.items() if key not in ("__id__", "file")},
            sort_keys=True,
        )
    return json.dumps(
        [_without_ids(value) for value in node] if isinstance(node, list) else node, sort_keys=True
    )


def _load_pyfunc(path: str) -> _Predictor:
    """MLflow's entry point (`loader_module`): a model file, or a folder that holds ``model.skops``.

    With a training.json beside it the digest is checked; the types always are.
    """
    file = Path(path) / MODEL_FILE if Path(path).is_dir() else Path(path)
    note = file.with_name("training.json")
    digest = json.loads(note.read_text(encoding="utf-8"))["model"]["sha256"] if note.is_file() else None
    return _Predictor(load(file, digest))


class _Predictor:
    """What MLflow's pyfunc wants: an object with ``predict``."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Predictions for a DataFrame with the feature columns; shape (rows,)."""
        return self.model.predict(model_input)
