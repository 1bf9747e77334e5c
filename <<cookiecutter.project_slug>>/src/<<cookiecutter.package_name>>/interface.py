"""What the service accepts and answers, from schema.yaml: rows as pydantic models, refusals, OpenAPI."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from .schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 1000  # in one request, and in one call of the model
MAX_BODY = 32 * 2**20  # bytes: 1000 rows of 500 columns fit several times
MAX_TEXT = 100_000  # characters
MAX_CATEGORY = 1000
MAX_PROBLEMS = 20  # named in one refusal
INT64 = 2**63
UNKNOWN = "unknown field"
EXAMPLE_DAY = "2020-01-01T00:00:00"


# ---------------------------------------------------------------- the rows


def row_model(schema: Schema) -> type[BaseModel]:
    """One row: exactly the columns that the model may see, and the id if one is declared; nullable: optional.

    Fields are c0, c1, ... in the order of :func:`columns`, with the column's name as alias: any name works.
    """
    fields: dict[str, Any] = {
        f"c{number}": (kind(column), Field(None if optional(column) else ..., alias=column.name))
        for number, column in enumerate(columns(schema))
    }
    config = ConfigDict(
        extra="forbid",
        strict=True,  # "1" is not 1, and true is not 1
        allow_inf_nan=False,
        hide_input_in_errors=True,
        json_schema_extra=_untitled,
    )
    return create_model("Row", __config__=config, **fields)


def _untitled(described: dict[str, Any]) -> None:
    """Take out the titles that pydantic makes up from c0, c1, ..."""
    for part in (described, *described["properties"].values()):
        part.pop("title", None)


def columns(schema: Schema) -> list[Column]:
    """The fields of a row: the model's columns in the order of the file, then the id."""
    return schema.features + ([schema.columns[schema.id]] if schema.id is not None else [])


def optional(column: Column) -> bool:
    """Whether a row may leave the column out, or give null for it."""
    return column.nullable or column.role == "id"


def kind(column: Column) -> Any:
    """The annotation of one column."""
    return _kind(column) | None if optional(column) else _kind(column)


def _kind(column: Column) -> Any:
    low, high = column.minimum, column.maximum
    if column.type == "number":
        return Annotated[float, Field(ge=low, le=high)]
    if column.type == "integer":
        least = max(-INT64, -INT64 if low is None else math.ceil(low))
        most = min(INT64 - 1, INT64 - 1 if high is None else math.floor(high))
        return Annotated[int, BeforeValidator(_whole), Field(ge=least, le=most)]
    if column.type == "boolean":
        return bool
    if column.type == "datetime":
        return Annotated[datetime, AfterValidator(_utc)]
    if column.categories is not None:
        return Literal[tuple(column.categories)]
    return Annotated[str, Field(max_length=MAX_CATEGORY if column.type == "category" else MAX_TEXT)]


def _whole(value: Any) -> Any:
    """3.0 is a whole number, as JSON Schema has it; pandas writes whole numbers like that beside nulls."""
    return int(value) if type(value) is float and value.is_integer() else value


def _utc(value: datetime) -> datetime:
    """Naive, in UTC, as the model was trained."""
    try:
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise PydanticCustomError(
            "datetime_range", "Input should be between the years 1 and 9999 in UTC"
        ) from None


def request_model(schema: Schema) -> type[BaseModel]:
    """The body of a request: ``{"rows": [...]}``. Validation ends at the first wrong row, to stay cheap."""
    limits = Field(min_length=1, max_length=MAX_ROWS, fail_fast=True)
    row: Any = row_model(schema)
    rows: Any = Annotated[list[row], limits]
    config = ConfigDict(extra="forbid", hide_input_in_errors=True, json_schema_extra=_untitled)
    return create_model("Request", __config__=config, rows=(rows, ...))


def smoke_row(schema: Schema) -> dict[str, Any]:
    """A row that the contract allows, as JSON values: the middle of each range, the first of each list."""
    return {column.name: _example(column) for column in schema.features}


def _example(column: Column) -> Any:
    if column.type in ("number", "integer"):
        low, high = column.minimum, column.maximum
        if low is not None and high is not None:
            middle = low / 2 + high / 2
        else:
            middle = next((bound for bound in (low, high) if bound is not None), 0.0)
        if column.type == "number":
            return middle
        return min(math.ceil(middle), math.floor(high)) if high is not None else math.ceil(middle)
    if column.categories is not None:
        return column.categories[0]
    return {"boolean": False, "datetime": EXAMPLE_DAY}.get(column.type, "a")


def values(row: BaseModel) -> tuple[Any, ...]:
    """The cells of a row in the order of :func:`columns`."""
    return tuple(row.__dict__.values())


def to_frame(listed: Sequence[Column], values: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Rows as the columns the model was trained on, with table.py's dtypes; shape (rows, columns)."""
    import numpy as np
    import pandas as pd

    frame: dict[str, Any] = {}
    # An id, if there is one, comes last and is not for the model.
    for column, cells in zip(listed, zip(*values, strict=True), strict=False):
        if column.type == "number":
            frame[column.name] = np.array(cells, dtype="float64")  # None becomes NaN
        elif column.type == "datetime":
            frame[column.name] = np.array(cells, dtype="datetime64[us]")  # None becomes NaT
        elif column.type == "integer":
            frame[column.name] = (
                pd.array(cells, dtype="Int64") if column.nullable else np.array(cells, dtype="int64")
            )
        elif column.type == "boolean":
            frame[column.name] = (
                pd.array(cells, dtype="boolean") if column.nullable else np.array(cells, dtype=bool)
            )
        else:
            frame[column.name] = pd.array(cells, dtype="str")
    return pd.DataFrame(frame, copy=False)


# ---------------------------------------------------------------- refusals


def explain(wrong: ValidationError) -> list[dict[str, Any]]:
    """What is wrong with a request: row (from 0), field and rule of each problem; never a value."""
    problems = []
    for error in wrong.errors(include_url=False, include_context=False, include_input=False)[:MAX_PROBLEMS]:
        loc = error["loc"]
        row = loc[1] if len(loc) > 1 and loc[0] == "rows" else None
        name = loc[2] if row is not None and len(loc) > 2 else (loc[0] if loc and row is None else None)
        problems.append(
            {
                "row": row,
                "field": None if name is None else str(name)[:200],
                "rule": _rule(error["type"], error["msg"]),
            }
        )
    return problems


def _rule(code: str, text: str) -> str:
    known = {
        "extra_forbidden": UNKNOWN,
        "missing": "missing",
        "json_invalid": "the body is not valid JSON",
        "too_short": "must have at least 1 row",
        "too_long": f"must have at most {MAX_ROWS} rows",
    }
    text = known.get(code) or text.replace("Input should be", "must be").replace("Input should", "must")
    return text if len(text) <= 300 else text[:297] + "..."


def say(problem: dict[str, Any]) -> str:
    """A problem for people: "row 3, age: must be a finite number"."""
    place = [] if problem["row"] is None else [f"row {problem['row']}"]
    place += [problem["field"]] if problem["field"] else []
    return ": ".join([*([", ".join(place)] if place else []), problem["rule"]])


# ---------------------------------------------------------------- OpenAPI


def row_schema(schema: Schema) -> dict[str, Any]:
    """JSON Schema of one row."""
    return row_model(schema).model_json_schema()


def answer_schema(schema: Schema) -> dict[str, Any]:
    """JSON Schema of one answer: prediction, scores by class or null, id if one is declared."""
    prediction: dict[str, Any]
    scores: dict[str, Any]
    share = {"type": "number", "minimum": 0, "maximum": 1}
    if schema.classes is None:
        prediction, scores = {"type": "number"}, {"type": "null"}
    else:
        names = [str(label) for label in schema.classes]
        prediction = {"enum": list(schema.classes)}
        scores = {
            "type": ["object", "null"],
            "properties": dict.fromkeys(names, share),
            "required": names,
            "additionalProperties": False,
        }
    properties: dict[str, Any] = {"prediction": prediction, "scores": scores}
    if schema.id is not None:
        properties["id"] = {}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def openapi(schema: Schema, model: str, version: str) -> dict[str, Any]:
    """The interface as OpenAPI 3.1, made of JSON Schema; BentoML's 3.0 document drops half the rules."""
    request = request_model(schema).model_json_schema(ref_template="#/components/schemas/{model}")
    row = request.pop("$defs")["Row"]
    problem = {
        "type": "object",
        "properties": {
            "row": {"type": ["integer", "null"], "description": "Counted from 0."},
            "field": {"type": ["string", "null"]},
            "rule": {"type": "string"},
        },
        "required": ["row", "field", "rule"],
    }
    error = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "detail": {"type": "array", "items": problem}},
        "required": ["error", "detail"],
    }

    def answer(text: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"description": text, "content": {"application/json": {"schema": content}}}

    refusal = {"$ref": "#/components/schemas/Error"}
    return {
        "openapi": "3.1.0",
        "info": {"title": model, "version": version, "description": f"Predicts {schema.target.name}."},
        "paths": {
            "/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": f"One prediction of {schema.target.name} for each row, in order.",
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {"schema": request, "example": {"rows": [smoke_row(schema)]}}
                        },
                    },
                    "responses": {
                        "200": answer(
                            "The predictions.",
                            {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
                        ),
                        "400": answer("A row or the body is not what the schema says.", refusal),
                        "413": answer(f"More than {MAX_BODY} bytes.", refusal),
                        "415": answer("The body is not application/json.", refusal),
                        "503": {"description": "Overloaded: try again."},
                    },
                }
            },
            "/metadata": {
                "get": {
                    "operationId": "metadata",
                    "summary": "Which model answers: name, version, digest, revision, schema.",
                    "responses": {"200": answer("The model.", {"type": "object"})},
                }
            },
        },
        "components": {"schemas": {"Row": row, "Answer": answer_schema(schema), "Error": error}},
    }


def dumps(content: Any) -> bytes:
    """JSON that every parser reads: a NaN is an error here, not text in the answer."""
    return json.dumps(
        content, ensure_ascii=False, allow_nan=False, default=datetime.isoformat, separators=(",", ":")
    ).encode()
