"""GitHub's expressions, as far as a `concurrency:` group needs them: act evaluates all others itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.workflows.matcher import WorkflowError

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>\|\||&&|==|!=|[!().,\[\]*]))"
)
WHOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
PLAIN = {"true": True, "false": False, "null": None}


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise WorkflowError(f"cannot read the expression {text!r} at {text[at:]!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    return [*found, ("end", "")]


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    return bool(left == right)


def _call(name: str, arguments: list[Any]) -> Any:
    values = [_text(argument) for argument in arguments]
    match name.lower(), len(values):
        case "format", count if count >= 1:
            return re.sub(r"\{(\d+)\}", lambda found: values[int(found[1]) + 1], values[0])
        case "startswith", 2:
            return values[0].lower().startswith(values[1].lower())
        case "endswith", 2:
            return values[0].lower().endswith(values[1].lower())
        case "contains", 2 if isinstance(arguments[0], list):
            return any(_equal(one, arguments[1]) for one in arguments[0])
        case "contains", 2:
            return values[1].lower() in values[0].lower()
        case "always", 0:
            return True
    raise WorkflowError(f"the function {name} with {len(values)} arguments is not known here")


class _Reader:
    """Recursive descent, loosest operator first."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.contexts = contexts

    def sees(self, *signs: str) -> bool:
        kind, text = self.tokens[self.at]
        return kind == "sign" and text in signs

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def need(self, sign: str) -> None:
        if self.take() != ("sign", sign):
            raise WorkflowError(f"an expression lacks {sign!r}")

    def either(self) -> Any:
        value = self.both()
        while self.sees("||"):
            self.take()
            other = self.both()
            value = value if _truth(value) else other
        return value

    def both(self) -> Any:
        value = self.equal()
        while self.sees("&&"):
            self.take()
            other = self.equal()
            value = other if _truth(value) else value
        return value

    def equal(self) -> Any:
        value = self.single()
        while self.sees("==", "!="):
            same = self.take()[1] == "=="
            value = _equal(value, self.single()) is same
        return value

    def single(self) -> Any:
        kind, text = self.take()
        if (kind, text) == ("sign", "!"):
            return not _truth(self.single())
        if (kind, text) == ("sign", "("):
            value = self.either()
            self.need(")")
            return value
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind != "name":
            raise WorkflowError(f"an expression ends, or has {text!r}, where a value should be")
        if self.sees("("):
            return self.called(text)
        if text in PLAIN:
            return PLAIN[text]
        if text not in self.contexts:
            raise WorkflowError(f"the context {text!r} is not known here")
        return self.member(self.contexts[text])

    def called(self, name: str) -> Any:
        self.take()
        arguments = []
        while not self.sees(")"):
            arguments.append(self.either())
            if not self.sees(")"):
                self.need(",")
        self.take()
        return _call(name, arguments)

    def member(self, value: Any) -> Any:
        key: Any
        while self.sees(".", "["):
            if self.take()[1] == ".":
                kind, key = self.take()
                if kind != "name" and key != "*":
                    raise WorkflowError("an expression has a dot without a name behind it")
            else:
                key = self.either()
                self.need("]")
            if key == "*":
                value = list(value.values()) if isinstance(value, dict) else value
            elif isinstance(value, list) and not isinstance(key, int):
                value = [one.get(key) for one in value if isinstance(one, dict)]
            elif isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list):
                value = value[key] if key < len(value) else None
            else:
                value = None
        return value


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    """The value of one expression, without its braces. Raises WorkflowError for what it cannot read."""
    reader = _Reader(text, contexts)
    value = reader.either()
    if reader.tokens[reader.at][0] != "end":
        raise WorkflowError(f"cannot read the expression {text!r} to its end")
    return value


def interpolate(text: Any, contexts: Mapping[str, Any]) -> Any:
    """A string with its `${{ }}` replaced; one that is nothing else keeps the value's type."""
    if not isinstance(text, str):
        return text
    only = re.fullmatch(r"\s*\$\{\{((?:(?!\}\}).)*)\}\}\s*", text, re.DOTALL)
    if only:
        return evaluate(only[1], contexts)
    return WHOLE.sub(lambda found: _text(evaluate(found[1], contexts)), text)
