"""Write reference pages from the code: every command, every file with its fields, every action. `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from gitops_ml.cli import VERBS, cli
from gitops_ml.contracts.base import read_plain, to_json
from gitops_ml.contracts.export import json_schemas

ROOT = Path(__file__).resolve().parents[2]


def command_text(command: click.Command, name: str, parent: click.Context | None = None) -> list[str]:
    """The help of a command and of its sub-commands, as Markdown sections."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=110, max_content_width=110)
    path = context.command_path
    level = "##" if parent is None or parent.parent is None else "###"
    lines = [f"{level} {path}", "", "```text", command.get_help(context).rstrip(), "```", ""]
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None:
                lines += command_text(found, sub, context)
    return lines


def cli_page() -> str:
    """docs/reference/cli.md."""
    root = click.Context(
        cli, info_name="gitops-ml", terminal_width=110, max_content_width=110, **cli.context_settings
    )
    lines = [
        "# Commands",
        "",
        "Written from the code by `make docs`. In a project: `uv run gitops-ml COMMAND --help`.",
        "",
    ]
    for verb in VERBS:
        found = cli.get_command(root, verb)
        assert found is not None, verb
        lines += command_text(found, verb, root)
    return "\n".join(lines).rstrip() + "\n"


def type_of(field: dict[str, Any]) -> str:
    """A field's type in a few words."""
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in field:
        return " or ".join(type_of(each) for each in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {type_of(field.get('items', {}))}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"mapping to {type_of(field['additionalProperties'])}"
    return str(field.get("type", "any"))


def files_page() -> str:
    """docs/reference/files.md."""
    lines = [
        "# Files",
        "",
        "Written from the contracts by `make docs`. As JSON Schemas: `gitops-ml schema export FOLDER`.",
        "",
    ]
    for schema in json_schemas().values():
        lines += [f"## {schema['title']}", "", " ".join(schema.get("description", "").split()), ""]
        parts = {schema["title"]: schema} | schema.get("$defs", {})
        for title, part in parts.items():
            fields = part.get("properties", {})
            if not fields:
                continue
            lines += [f"**{title}**", "", "| field | type | needed | meaning |", "|---|---|---|---|"]
            for field, about in fields.items():
                needed = "yes" if field in part.get("required", []) else ""
                meaning = " ".join(str(about.get("description", "")).split())
                lines.append(
                    f"| `{field}` | {type_of(about)} | {needed} | {meaning} |".replace("|  |", "| |")
                )
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def rows(title: str, parts: dict[str, Any] | None) -> list[str]:
    """The inputs or the outputs of an action as a table."""
    if not parts:
        return []
    lines = [f"## {title}", "", f"| {title[:-1].lower()} | meaning |", "|---|---|"]
    for name, about in parts.items():
        needed = " **Needed.**" if about.get("required") else ""
        lines.append(f"| `{name}` | {about['description']}.{needed} |")
    return [*lines, ""]


def action_page(folder: str) -> str:
    """actions/<folder>/README.md."""
    action = read_plain(SUITE / folder / "action.yml")
    inputs = action.get("inputs", {})
    lines = [f"# {action['name']}", "", f"{action['description']}.", "", "```yaml"]
    lines += [
        f"- uses: ./.github/actions/{folder} # elsewhere: OWNER/cookiecutter-gitops-ml/actions/{folder}@SHA"
    ]
    needed = [name for name, about in inputs.items() if about.get("required")]
    lines += ["  with:", *[f"    {name}: ..." for name in needed]] if needed else []
    lines += ["```", "", *rows("Inputs", inputs), *rows("Outputs", action.get("outputs"))]
    return "\n".join(lines).rstrip() + "\n"


def actions_page() -> str:
    """actions/README.md."""
    lines = [
        "# gitops-ml",
        "",
        "The machinery of a project made by cookiecutter-gitops-ml: one Python package, one command, `gitops-ml`, and the",
        "GitHub Actions that call it. A generated project carries a copy of this folder in `.github/actions`; its README",
        "and `gitops-ml --help` say the rest. Each action is one step that calls one verb: whatever CI does, a laptop does",
        "with the same command. Written from the code by `make docs`.",
        "",
        "| action | what it does |",
        "|---|---|",
    ]
    for folder in ACTIONS:
        lines.append(
            f"| [{folder}]({folder}/README.md) | {read_plain(SUITE / folder / 'action.yml')['description']}. |"
        )
    return "\n".join(lines) + "\n"


def schema_page(name: str) -> str:
    """actions/schemas/<name>.schema.json: what an editor needs to check a file while it is written."""
    return to_json(json_schemas()[name])


SUITE = ROOT / "actions"
WRITTEN_BY_PEOPLE = ("schema", "params", "policy", "behaviour", "human_card", "overrides")
ACTIONS = sorted(path.parent.name for path in SUITE.glob("*/action.yml"))
PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/files.md": files_page,
    "actions/README.md": actions_page,
    **{f"actions/{folder}/README.md": partial(action_page, folder) for folder in ACTIONS},
    **{f"actions/schemas/{name}.schema.json": partial(schema_page, name) for name in WRITTEN_BY_PEOPLE},
}


def main() -> None:
    """Write the pages; with names of pages, print these instead."""
    for name in sys.argv[1:]:
        print(PAGES[name](), end="")
    if len(sys.argv) == 1:
        for name, page in PAGES.items():
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
