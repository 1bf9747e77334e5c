"""Answers for what becomes visible to whom: rows and bytes in git, rows and bytes under DVC, names, commits."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.card.markdown import bytes_
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault

# Names of columns behind which a person may stand. A hint for a reader, not a search for personal data.
PERSONAL = re.compile(
    r"(?:^|[\W_])(?:name|surname|first_?name|last_?name|e?-?mail|phone|mobile|address|street|zip|postcode|postal|"
    r"birth\w*|dob|ssn|iban|passport|customer|user|patient|employee|person|member|login|ip|lat|lon|latitude|"
    r"longitude)(?:$|[\W_])",
    re.IGNORECASE,
)
EVERYONE = {"public": "everyone", "internal": "every member of the enterprise"}


@dataclass(frozen=True)
class File:
    """A file with bytes that count here; ``rows`` is None where nobody counted."""

    path: str
    size: int | None
    rows: int | None


@dataclass(frozen=True)
class Visible:
    """What a reader of the repository will be able to read."""

    files: int
    bytes: int
    commits: int
    authors: tuple[str, ...]
    in_git: tuple[File, ...]  # files of data/ that git keeps itself
    before: tuple[str, ...]  # files of data/ that only older commits have
    under_dvc: tuple[File, ...]
    storage: str  # "" : refs of the same repository; else the address of the DVC remote
    columns: tuple[str, ...]  # that name a row, or perhaps a person

    @property
    def rows(self) -> int:
        """Rows of the table, wherever its bytes are."""
        return max((file.rows or 0 for file in (*self.in_git, *self.under_dvc)), default=0)

    def lines(self) -> list[str]:
        """For a person: one screen at most."""
        shown = [
            f"{self.files:,} files of yours and the machinery (.github/actions) in git, {bytes_(self.bytes)}",
            f"{_many(self.commits, 'commit')} by {_some(self.authors, 3)}",
        ]
        if self.in_git:
            shown.append("rows of data in git: " + _some([_told(file) for file in self.in_git], 4))
        else:
            shown.append("no row of data is in git itself")
        if self.before:
            shown.append(f"older commits also hold {_some(self.before, 3)}")
        if self.under_dvc:
            total = bytes_(sum(file.size or 0 for file in self.under_dvc))
            where = (
                f"go to {self.storage}: who may read there is decided there"
                if self.storage
                else "go to refs of the same repository (refs/dvc/...): who reads the one reads the other"
            )
            shown.append(f"{_many(len(self.under_dvc), 'file')} kept by DVC, {total}, {where}:")
            shown += [f"  {_told(file)}" for file in self.under_dvc[:8]]
            if len(self.under_dvc) > 8:
                shown.append(f"  and {len(self.under_dvc) - 8} more")
        shown.append("reports/ and MODEL_CARD.md: figures, names of columns and of categories")
        if self.columns:
            shown.append(f"columns that may name a person: {_some(self.columns, 6)}")
        return shown


def whom(visibility: str) -> str:
    """Who reads a repository of this visibility."""
    return EVERYONE.get(visibility, "you, and whom you or its owner let in")


def visible(root: Path) -> Visible:
    """What HEAD and its history hold, and what its lock names. Nothing is sent or written."""
    sizes = _tree(root)
    table = _profile(root)
    schema = _schema(root)
    authors = shell.git(root, "log", "--format=%an <%ae>", "HEAD").splitlines()
    kept = [path for path in sizes if path.startswith("data/") and not _small(path)]
    in_git = [File(path, sizes[path], _rows(root, path, table)) for path in kept]
    history = shell.git(root, "log", "--format=", "--name-only", "--no-renames", "-z", "HEAD", "--", "data")
    # `git log -z` ends a commit with NUL and may begin the next with a newline.
    older = {path.strip("\n") for path in history.split("\0")} - sizes.keys() - {""}
    return Visible(
        files=sum(not path.startswith(".github/actions/") for path in sizes),
        bytes=sum(sizes.values()),
        commits=int(shell.git(root, "rev-list", "--count", "HEAD")),
        authors=tuple(dict.fromkeys(authors)),
        in_git=tuple(in_git),
        before=tuple(sorted(path for path in older if not _small(path))),
        under_dvc=tuple(_under_dvc(root, table)),
        storage=remote(root),
        columns=() if schema is None else tuple(_columns(schema)),
    )


def remote(root: Path) -> str:
    """The address of the DVC remote that is the default, without a password; "" where git refs hold the bytes."""
    import configparser

    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read_string(shell.ask_git(root, "show", "HEAD:.dvc/config") or "")
    except configparser.Error as wrong:
        raise Fault(f".dvc/config cannot be read: {wrong}") from None
    name = config.get("core", "remote", fallback="")
    if not name:
        return ""
    for section in (f"'remote \"{name}\"'", f'remote "{name}"'):
        if config.has_section(section):
            return re.sub(r"(://)[^/@\s]+@", r"\1", config.get(section, "url", fallback=name))
    return name


def _tree(root: Path) -> dict[str, int]:
    """Every file of HEAD and its size."""
    found = {}
    for entry in shell.git(root, "ls-tree", "-r", "-l", "-z", "HEAD").split("\0"):
        about, _, path = entry.partition("\t")
        if path:
            size = about.split()[3]
            found[path] = int(size) if size.isdigit() else 0
    return found


def _small(path: str) -> bool:
    """What stands in data/ and holds no rows."""
    return path.endswith((".dvc", ".gitignore", ".gitkeep", ".md"))


def _profile(root: Path) -> ProfileFile | None:
    path = root / "reports/data_profile.json"
    return ProfileFile.read(path) if path.exists() else None


def _schema(root: Path) -> SchemaFile | None:
    path = root / "schema.yaml"
    return SchemaFile.read(path) if path.exists() else None


def _rows(root: Path, path: str, profile: ProfileFile | None) -> int | None:
    """Rows of a file: as the profile counted them, else the lines of a text table less its header."""
    if profile is not None:
        known = {
            profile.table.path: profile.table.rows,
            "data/prepared/train.parquet": profile.rows.train,
            "data/prepared/test.parquet": profile.rows.test,
        }
        if path in known:
            return known[path]
    if posixpath.splitext(path)[1].lower() not in (".csv", ".tsv", ".txt"):
        return None
    content = shell.ask(["git", "cat-file", "blob", f"HEAD:{path}"], root)
    return None if content is None else max(len(content.splitlines()) - 1, 0)


def _under_dvc(root: Path, profile: ProfileFile | None) -> list[File]:
    from gitops_ml.storage.objects import named

    found = [File(entry.path, entry.size, _rows(root, entry.path, profile)) for entry in named(root, "HEAD")]
    # Rows first: they are what a reader looks for.
    return sorted(found, key=lambda file: (file.rows is None, file.path))


def _columns(schema: SchemaFile) -> list[str]:
    ids = [f"{name} (role: id)" for name in schema.names("id")]
    groups = [f"{name} (role: group)" for name in schema.names("group")]
    said = {*schema.names("id"), *schema.names("group")}
    return ids + groups + [name for name in schema.columns if name not in said and PERSONAL.search(name)]


def _told(file: File) -> str:
    rows = "" if file.rows is None else f"{file.rows:,} rows"
    size = "" if file.size is None else bytes_(file.size)
    about = ", ".join(part for part in (rows, size) if part)
    return f"{file.path} ({about})" if about else file.path


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _some(names: list[str] | tuple[str, ...], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
