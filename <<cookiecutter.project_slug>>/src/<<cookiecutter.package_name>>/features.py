"""Columns become numbers: one transformer for each type of column, saved inside the model."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from .params import Features
from .schema import Schema

Array = np.ndarray[Any, Any]
MISSING = "missing"  # the category of an empty cell
VOCABULARY = 20_000  # words of one text column that are weighed


def build_preprocessor(schema: Schema, params: Features, seed: int = 0) -> ColumnTransformer:
    """An unfitted transformer from a DataFrame with the feature columns to a float array (rows, numbers).

    Columns are taken by name, so their order and further columns do not matter. Numbers: median for nulls,
    with an indicator where nulls are allowed, then scaled to mean 0 and deviation 1 (trees do not mind,
    linear models need it). Booleans: the most frequent value for nulls. Categories: one column each, the
    rare ones together, unknown ones as the rare. Datetimes: see :class:`DatetimeFeatures`. Text: see
    :class:`TextFeatures`.
    """

    def named(*types: str, nullable: bool | None = None) -> list[str]:
        return [c.name for c in schema.features if c.type in types and nullable in (None, c.nullable)]

    steps: list[tuple[str, Any, list[str]]] = [
        ("number", _numbers(), named("number", "integer", nullable=False)),
        ("number_or_null", _numbers(add_indicator=True), named("number", "integer", nullable=True)),
        ("boolean", _numbers("most_frequent"), named("boolean")),
        ("category", _categories(params.max_categories), named("category")),
        ("datetime", make_pipeline(DatetimeFeatures(), StandardScaler()), named("datetime")),
    ]
    # A vocabulary belongs to one column, so each text column has a transformer of its own.
    steps += [
        (f"text_{number}", TextFeatures(params.text_components, seed), [name])
        for number, name in enumerate(named("text"))
    ]
    return ColumnTransformer(
        [step for step in steps if step[2]], remainder="drop", verbose_feature_names_out=False
    )


def target_of(frame: pd.DataFrame, schema: Schema) -> Array:
    """The target as scikit-learn and skops like it: fixed-width text, int64, bool or float64; shape
    (rows,)."""
    column = frame[schema.target.name]
    if schema.task == "regression":
        return np.asarray(column.to_numpy(dtype="float64"))
    kind: Any = {"category": str, "integer": "int64", "boolean": bool}[schema.target.type]
    return np.asarray(column.tolist(), dtype=kind)


def _numbers(strategy: str = "median", add_indicator: bool = False) -> Pipeline:
    # keep_empty_features: a column that is all null in a fold or slice still has its place
    impute = SimpleImputer(
        missing_values=np.nan, strategy=strategy, add_indicator=add_indicator, keep_empty_features=True
    )
    return make_pipeline(ToFloat(), impute, StandardScaler())


def _categories(most: int) -> Pipeline:
    encode = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=most, sparse_output=False, dtype=np.float64
    )
    return make_pipeline(ToText(), encode)


class ToFloat(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers and booleans, nullable or not, as floats; nulls become NaN."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn nothing."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        """Array of float64, shape (rows, columns)."""
        if all(kind == np.float64 for kind in X.dtypes):
            return X.to_numpy()
        return X.to_numpy(dtype=np.float64, na_value=np.nan)


class ToText(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Categories as text; nulls become the category "missing"."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn nothing."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        """Array of Python strings, shape (rows, columns)."""
        values = np.empty(X.shape, dtype=object)
        for number in range(X.shape[1]):
            column = X.iloc[:, number]
            values[:, number] = column.astype(object).where(column.notna(), MISSING)
        return values


class DatetimeFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Year, month, day of the week (Monday is 0), hour and days since 1970 of each datetime column."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the median moment of each column, which stands in for nulls. X: datetime64 columns, in
        UTC."""
        days = _days(X)
        known = [column[~np.isnan(column)] for column in days.T]
        self.median_ = np.array([np.median(column) if len(column) else 0.0 for column in known])
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        """Array of float64, shape (rows, 5 x columns)."""
        check_is_fitted(self)
        days = _days(X)
        days = np.where(np.isnan(days), self.median_, days)
        whole = np.floor(days)
        date = whole.astype("int64").astype("datetime64[D]")
        year = date.astype("datetime64[Y]").astype("int64") + 1970
        month = date.astype("datetime64[M]").astype("int64") % 12 + 1
        weekday = (whole + 3) % 7  # 1 January 1970 was a Thursday
        hour = np.floor((days - whole) * 24 + 1e-9)  # days are floats: an hour must not fall short of itself
        return np.hstack([year, month, weekday, hour, days]).astype(np.float64)


def _days(X: pd.DataFrame) -> Array:
    """Days since 1970 with fractions, NaN for nulls; shape (rows, columns)."""
    moments = X.to_numpy(dtype="datetime64[us]")
    days = moments.astype("int64") / 86_400e6
    days[np.isnat(moments)] = np.nan
    return np.asarray(days)


class TextFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One text column as ``components`` numbers: weighed words (TF-IDF), then their main directions (SVD).

    Nulls are empty texts. A column without a single word becomes zeros; a tiny vocabulary is padded with
    zeros.
    """

    def __init__(self, components: int = 16, seed: int = 0) -> None:
        self.components = components
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn words and directions. X: one column of text."""
        self.words_: TfidfVectorizer | None = TfidfVectorizer(max_features=VOCABULARY, sublinear_tf=True)
        self.directions_: TruncatedSVD | None = None
        self.n_features_in_ = 1
        try:
            weights = self.words_.fit_transform(_texts(X))
        except ValueError:  # no words at all
            self.words_ = None
            return self
        if min(weights.shape) > 1:
            directions = min(self.components, weights.shape[1] - 1, weights.shape[0] - 1)
            self.directions_ = TruncatedSVD(directions, random_state=self.seed).fit(weights)
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        """Array of float64, shape (rows, components)."""
        check_is_fitted(self, "n_features_in_")
        numbers = np.zeros((len(X), self.components))
        if self.words_ is not None:
            weights = self.words_.transform(_texts(X))
            found = (
                weights.toarray()[:, :1] if self.directions_ is None else self.directions_.transform(weights)
            )
            numbers[:, : found.shape[1]] = found
        return numbers


def _texts(X: pd.DataFrame) -> list[str]:
    return X.iloc[:, 0].astype(object).where(X.iloc[:, 0].notna(), "").tolist()
