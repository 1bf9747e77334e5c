"""Rows in, predictions out: good rows get the model's own answer, bad ones a reason."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import pytest

from <<cookiecutter.package_name>> import interface
from <<cookiecutter.package_name>>.service import SCHEMA

MARK = "zq-private-4711"  # a value that must not be seen again
FIRST = SCHEMA.features[0].name


def ask(client: Any, rows: Any) -> Any:
    return client.post("/predict", json={"rows": rows})


def refused(response: Any) -> dict[str, Any]:
    """The reason, after a look at the shape of the refusal."""
    assert 400 <= response.status_code < 500, response.text
    content = response.json()
    assert set(content) == {"error", "detail"}
    assert content["error"]
    return content


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """The same answer, but for the last bits, which depend on how many rows a matrix has."""
    close = all(math.isclose(one["scores"][k], other["scores"][k], abs_tol=1e-9) for k in one["scores"] or {})
    if isinstance(one["prediction"], float):
        return close and math.isclose(one["prediction"], other["prediction"], rel_tol=1e-9)
    return close and one["prediction"] == other["prediction"]


def test_every_row_is_answered_as_the_model_does(client, rows):
    import pandas as pd

    from <<cookiecutter.package_name>>.service import pages

    response = ask(client, rows)
    assert response.status_code == 200, response.text
    frame = interface.to_frame(SCHEMA.features, [tuple(_cells(row)) for row in rows])
    assert isinstance(frame, pd.DataFrame)
    expected = pages.state.served.model.predict(frame).tolist()
    answers = response.json()
    assert len(answers) == len(rows)
    if SCHEMA.task == "regression":
        assert [a["prediction"] for a in answers] == pytest.approx(expected)
        assert all(a["scores"] is None for a in answers)
    else:
        assert [a["prediction"] for a in answers] == expected
        assert all(sum(a["scores"].values()) == pytest.approx(1) for a in answers)
    assert response.headers["X-Model-Sha256"] == pages.state.served.sha256


def _cells(row: dict[str, Any]) -> Any:
    return interface.values(interface.row_model(SCHEMA).model_validate_json(json.dumps(row)))


def test_a_row_alone_is_answered_as_in_a_batch(client, rows):
    together = ask(client, rows).json()
    assert all(
        same(ask(client, [row]).json()[0], answer) for row, answer in zip(rows[:5], together, strict=False)
    )


def test_metadata_names_the_model(client):
    content = client.get("/metadata").json()
    assert len(content["sha256"]) == 64
    assert {"model", "version", "revision", "task", "classes"} <= set(content)
    assert list(content["schema"]["properties"])[: len(SCHEMA.features)] == [c.name for c in SCHEMA.features]


def test_ready_and_described(client):
    assert client.get("/readyz").status_code == 200
    document = client.get("/docs.json").json()
    assert document["components"]["schemas"]["Row"]["additionalProperties"] is False


def test_what_is_not_known_in_time_is_not_accepted(client, rows):
    allowed = {c.name for c in interface.columns(SCHEMA)}
    for name in [SCHEMA.target.name, *(c.name for c in SCHEMA.columns.values() if c.name not in allowed)]:
        assert refused(ask(client, [{**rows[0], name: None}]))["detail"][0]["rule"] == interface.UNKNOWN


def test_unknown_field(client, rows):
    problem = refused(ask(client, [rows[0], {**rows[0], "no such column": 1}]))["detail"][0]
    assert problem == {"row": 1, "field": "no such column", "rule": "unknown field"}


def test_missing_field(client, rows):
    needed = next((c.name for c in SCHEMA.features if not interface.optional(c)), None)
    if needed is None:
        pytest.skip("every column may be empty")
    row = {name: value for name, value in rows[0].items() if name != needed}
    assert refused(ask(client, [row]))["detail"] == [{"row": 0, "field": needed, "rule": "missing"}]


def test_wrong_type(client, rows):
    problem = refused(ask(client, [{**rows[0], FIRST: [1]}]))["detail"][0]
    assert (problem["row"], problem["field"]) == (0, FIRST)


def test_out_of_range(client, rows):
    for column in SCHEMA.features:
        if column.maximum is not None:
            problem = refused(ask(client, [{**rows[0], column.name: 2 * abs(column.maximum) + 1}]))["detail"][
                0
            ]
            assert problem["field"] == column.name
            return
    pytest.skip("no column has a maximum")


def test_unknown_category(client, rows):
    for column in SCHEMA.features:
        if column.categories is not None:
            problem = refused(ask(client, [{**rows[0], column.name: MARK}]))["detail"][0]
            assert problem["field"] == column.name
            return
    pytest.skip("no column lists its categories")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 5000, '"12"', "true"])
def test_not_a_finite_number(client, rows, number):
    column = next((c for c in SCHEMA.features if c.type == "number"), None)
    if column is None:
        pytest.skip("no column is a number")
    body = json.dumps({"rows": [{**rows[0], column.name: MARK}]}).replace(f'"{MARK}"', number)
    refused(client.post("/predict", content=body, headers={"content-type": "application/json"}))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"rows": 1}', b'{"rows": [1]}']
)
def test_not_a_request(client, body):
    refused(client.post("/predict", content=body, headers={"content-type": "application/json"}))


def test_no_rows_and_too_many(client, rows):
    assert "at least 1 row" in refused(ask(client, []))["error"]
    assert str(interface.MAX_ROWS) in refused(ask(client, rows[:1] * (interface.MAX_ROWS + 1)))["error"]


def test_only_json(client):
    for kind in ("multipart/form-data", "application/x-www-form-urlencoded", "text/plain"):
        refused(client.post("/predict", content=b"x", headers={"content-type": kind}))
    pickled = client.post(
        "/predict", content=b"x", headers={"content-type": "application/vnd.bentoml+pickle"}
    )
    assert pickled.status_code == 415  # by BentoML, before it is read


def test_neither_log_nor_refusal_holds_a_value(client, rows, caplog):
    with caplog.at_level(logging.DEBUG):
        bad = [
            [{**rows[0], FIRST: {MARK: MARK}}],
            [{**rows[0], MARK: MARK}],
            [{FIRST: MARK}],
            MARK,
        ]
        for entry in bad:
            text = refused(ask(client, entry))
            assert MARK not in json.dumps(text) or entry == bad[1]  # the caller's own field name
    assert "refused" in caplog.text
    assert MARK not in caplog.text


def test_requests_at_the_same_time_do_not_spoil_each_other(client, rows):
    from concurrent.futures import ThreadPoolExecutor

    good, bad = rows[:1], [{**rows[0], FIRST: [1]}]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda entry: ask(client, entry).status_code, [good, bad] * 12))
    assert codes == [200, 400] * 12
