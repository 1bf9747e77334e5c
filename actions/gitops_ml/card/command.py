"""`gitops-ml card`: writes MODEL_CARD.md and reports/model_card.json, both or neither."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

CARD = "MODEL_CARD.md"
DATA = "reports/model_card.json"


@click.command()
def card() -> None:
    """Write MODEL_CARD.md and reports/model_card.json from the reports, the schema and model_card.yaml."""
    made = write(shell.project())
    unknown = f", {made} answers still unknown (model_card.yaml)" if made else ""
    click.echo(f"{CARD} and {DATA} written{unknown}")


def write(root: Path) -> int:
    """Make both files; the number of unknown answers. Raises :class:`Fault`, and then neither has changed."""
    from gitops_ml.card.collect import collect
    from gitops_ml.card.render import render
    from gitops_ml.contracts.base import to_json

    collected = collect(root)
    replace_all({root / CARD: render(collected), root / DATA: to_json(collected.model_dump(mode="json"))})
    return len(collected.unknown)


def replace_all(texts: dict[Path, str]) -> None:
    """Write all files beside their places first, and only then put each in its place. Raises :class:`Fault`."""
    staged: dict[Path, str] = {}
    try:
        for path, text in texts.items():
            if path.is_dir():
                raise Fault(f"{path} is a folder, where a file should be written. Move it away.")
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            staged[path] = temporary
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        for path in list(staged):
            os.replace(staged[path], path)
            del staged[path]
    except UnicodeEncodeError as wrong:
        near = wrong.object[max(0, wrong.start - 20) : wrong.start].splitlines()[-1:]
        raise Fault(
            f"half a character behind {near} cannot be written. Write it whole, not as \\ud83e."
        ) from None
    except OSError as wrong:
        raise Fault(f"{wrong.filename} cannot be written: {wrong.strerror}. Nothing was changed.") from None
    finally:
        for temporary in staged.values():
            os.unlink(temporary)
