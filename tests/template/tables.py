"""Eight tables of different shape, as users bring them. Seeded; built here or shipped with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd


def mixed(rows: int = 600) -> pd.DataFrame:
    """Numbers, categories, booleans, nulls, awkward column names; target ``churned``, yes or no."""
    rng = np.random.default_rng(1)
    age = rng.normal(45, 14, rows).clip(18, 90).round()
    plan = rng.choice(["basic", "pro", "flex plan", "naïve ☂"], rows, p=[0.5, 0.3, 0.15, 0.05])
    charges = rng.gamma(3, 20, rows).round(2)
    odds = -1 + 0.03 * (age - 45) + (plan == "basic") * 1.2 - 0.01 * charges
    table = pd.DataFrame(
        {
            "age": age,
            'plan "name" [x]': plan,
            "class": rng.choice(["a", "b"], rows),
            "select * from; 🚀": rng.integers(0, 50, rows),
            "charges": charges,
            "paperless": rng.random(rows) < 0.5,
            "churned": np.where(rng.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no"),
        }
    )
    table.loc[rng.random(rows) < 0.1, "age"] = np.nan
    table.loc[rng.random(rows) < 0.07, 'plan "name" [x]'] = None
    return table


def with_nulls(rows: int = 500) -> pd.DataFrame:
    """Nulls in every feature, one column all null, one constant, and rows without a target; target ``price``."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame({f"x{i}": rng.normal(size=rows) for i in range(6)})
    table["price"] = 100 + 20 * table.x0 - 5 * table.x1 + rng.normal(size=rows)
    for column in table.columns[:6]:
        table.loc[rng.random(rows) < 0.25, column] = np.nan
    table["price"] = table["price"].mask(rng.random(rows) < 0.03)
    table["nothing"] = np.nan
    table["always"] = "the same"
    return table


def dated(rows: int = 700) -> pd.DataFrame:
    """Orders over two years with a date and a second datetime, split by time; target ``late``, a boolean."""
    rng = np.random.default_rng(3)
    ordered = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 730, rows)), unit="D")
    hour = rng.integers(0, 24, rows)
    table = pd.DataFrame({"ordered": ordered.strftime("%Y-%m-%d")})
    table["picked_up"] = (ordered + pd.to_timedelta(hour, unit="h")).strftime("%Y-%m-%dT%H:%M:%S")
    table["weight"] = rng.gamma(2, 3, rows).round(3)
    table["late"] = (0.1 * hour + 0.2 * table.weight + rng.normal(0, 1, rows)) > 2.4
    return table


def high_cardinality(rows: int = 800) -> pd.DataFrame:
    """A city of 300, a customer id, a group of several rows each, codes with leading zeros; target ``spend``."""
    rng = np.random.default_rng(4)
    city = rng.integers(0, 300, rows)
    table = pd.DataFrame({"customer_id": [f"c-{i:06}" for i in rng.permutation(rows)]})
    table["city"] = [f"city {i}" for i in city]
    table["postcode"] = [f"{i:05}" for i in rng.integers(0, 4000, rows)]
    table["household"] = rng.integers(0, 200, rows)
    table["visits"] = rng.poisson(4, rows)
    table["spend"] = (table.visits * 12.5 + (city % 7) * 9 + rng.normal(0, 5, rows)).round(2)
    return table


def imbalanced(rows: int = 3000) -> pd.DataFrame:
    """A rare class, 3 % of the rows, as integers 0 and 1; target ``fraud``."""
    rng = np.random.default_rng(5)
    fraud = (rng.random(rows) < 0.03).astype(int)
    table = pd.DataFrame({f"v{i}": rng.normal(fraud * 1.5 * (i < 3), 1) for i in range(8)})
    table["fraud"] = fraud
    return table


def texts(rows: int = 500) -> pd.DataFrame:
    """Free text with the answer hidden in its words, some of it missing; target ``topic``, three classes."""
    rng = np.random.default_rng(6)
    words = {
        "billing": "invoice money paid refund card",
        "login": "password account reset locked sign",
        "other": "hello",
    }
    filler = ["the", "a", "please", "could", "you", "my", "it", "is", "not", "working", "since", "thanks"]
    topic = rng.choice(list(words), rows)
    body = [" ".join(rng.choice(words[t].split() + filler, 14)) for t in topic]
    table = pd.DataFrame({"body": body, "length": [len(text) for text in body], "topic": topic})
    table.loc[rng.random(rows) < 0.02, "body"] = None
    return table


def wide(rows: int = 300) -> pd.DataFrame:
    """Five hundred columns, most of them noise; target ``y``, yes or no."""
    rng = np.random.default_rng(7)
    table = pd.DataFrame(rng.normal(size=(rows, 499)).round(4), columns=[f"column {i}" for i in range(499)])
    table["y"] = np.where(table["column 0"] + table["column 1"] + rng.normal(size=rows) > 0, "yes", "no")
    return table


def long(rows: int = 200_000) -> pd.DataFrame:
    """Two hundred thousand rows; target ``amount``, a number."""
    rng = np.random.default_rng(8)
    table = pd.DataFrame({f"n{i}": rng.normal(size=rows).astype("float32") for i in range(10)})
    table["kind"] = rng.choice(["x", "y", "z"], rows)
    table["amount"] = table.n0 * 3 + (table.kind == "x") * 2 + rng.normal(size=rows)
    return table


def wine() -> pd.DataFrame:
    """scikit-learn's wine: 178 rows, three classes as integers; target ``target``."""
    from sklearn.datasets import load_wine

    frame: pd.DataFrame = load_wine(as_frame=True).frame
    return frame


# name: (table, file name, how it is adopted)
TABLES: dict[str, tuple[Callable[[], pd.DataFrame], str, list[str]]] = {
    "mixed types and names": (mixed, "my data (1).csv", ["--target", "churned"]),
    "nulls": (with_nulls, "prices.parquet", ["--target", "price"]),
    "dates, split by time": (dated, "orders.csv", ["--target", "late", "--time", "ordered"]),
    "high cardinality, groups": (
        high_cardinality,
        "spend.csv",
        ["--target", "spend", "--group", "household"],
    ),
    "imbalance": (imbalanced, "fraud.parquet", ["--target", "fraud"]),
    "text": (texts, "tickets.csv", ["--target", "topic"]),
    "500 columns": (wide, "wide.csv", ["--target", "y"]),
    "200,000 rows": (long, "long.parquet", ["--target", "amount"]),
    "multiclass": (wine, "wine.csv", ["--target", "target"]),
}
