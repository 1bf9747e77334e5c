"""What adopting does to params.yaml, and how YAML keeps the hand of the people who wrote it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from tests.suite.conftest import TEMPLATE

from gitops_ml.adopt.edits import behaviour_text, card_text, emptied, other_half, params_text, policy_text
from gitops_ml.adopt.yaml_text import edited, flow, round_trip
from gitops_ml.contracts.model_card import HumanCard
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault

CLASSES = {"role": "target", "type": "integer", "categories": [0, 1]}


def schema(task: str) -> SchemaFile:
    target = CLASSES if task == "classification" else {"role": "target", "type": "number"}
    columns = {
        "x": {"role": "feature", "type": "number"},
        "n": {"role": "ignored", "type": "text"},
        "y": target,
    }
    content = {"version": 1, "task": task, "file": {"format": "parquet"}, "columns": columns}
    return SchemaFile.parse(content, "schema.yaml")


@pytest.mark.parametrize(
    ("estimator", "task", "found"),
    [
        (
            "sklearn.ensemble.RandomForestClassifier",
            "classification",
            "sklearn.ensemble.RandomForestClassifier",
        ),
        ("sklearn.ensemble.RandomForestClassifier", "regression", "sklearn.ensemble.RandomForestRegressor"),
        ("xgboost.XGBRegressor", "classification", "xgboost.XGBClassifier"),
        ("sklearn.linear_model.RidgeClassifier", "regression", None),
        ("sklearn.linear_model.RidgeClassifier", "classification", "sklearn.linear_model.RidgeClassifier"),
        (
            "sklearn.linear_model.LogisticRegression",
            "classification",
            "sklearn.linear_model.LogisticRegression",
        ),
        ("sklearn.linear_model.LogisticRegressionCV", "regression", None),
        ("sklearn.svm.LinearSVC", "classification", "sklearn.svm.LinearSVC"),
        ("sklearn.naive_bayes.GaussianNB", "regression", None),
        ("sklearn.linear_model.LinearRegression", "regression", "sklearn.linear_model.LinearRegression"),
        ("sklearn.linear_model.LinearRegression", "classification", None),
        ("sklearn.svm.SVR", "classification", None),
        ("sklearn.linear_model.Lasso", "regression", "sklearn.linear_model.Lasso"),
        ("sklearn.linear_model.Ridge", "classification", None),
        ("our.Model", "classification", "our.Model"),
        ("our.Model", "regression", "our.Model"),
    ],
)
def test_the_estimator_of_the_same_family(estimator: str, task: str, found: str | None) -> None:
    assert other_half(estimator, task) == found


def params(train: str, task: str, notes: list[str] | None = None, strategy: str | None = None) -> str:
    path = Path("params.yaml")
    path.write_text(
        "# Mine.\ndata: {table: a.csv, split: {strategy: group, test_size: 0.5, seed: 1}}\n" + train, "utf-8"
    )
    return params_text(path, "data/raw/t.csv", schema(task), strategy, [] if notes is None else notes)


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


DATA = "# Mine.\ndata: {table: data/raw/t.csv, split: {strategy: group, test_size: 0.5, seed: 1}}\n"


def test_an_estimator_without_another_half_gives_way_to_the_default() -> None:
    notes: list[str] = []
    text = params(
        "train:\n  estimator: sklearn.linear_model.Ridge\n  params: {alpha: 3}\n"
        "  search:\n    strategy: grid\n    metric: r2\n",
        "classification",
        notes,
    )
    assert text == DATA + (
        "train:\n  estimator: sklearn.ensemble.HistGradientBoostingClassifier\n"
        "  params:\n    learning_rate: 0.05\n    max_iter: 200\n    min_samples_leaf: 10\n"
        "    l2_regularization: 5\n    early_stopping: auto\n"
        "  class_weight: null # balanced: rare classes count more\n"
        "  calibration: null # sigmoid | isotonic: probabilities that can be read as shares\n"
        "  search:\n    strategy: null\n    metric: null\n"
    )
    assert notes == [
        "params.yaml: the estimator is now sklearn.ensemble.HistGradientBoostingClassifier, because this is a classification"
    ]


def test_the_default_is_that_of_a_new_project(pristine_project: Path) -> None:
    fresh = YAML(typ="safe", pure=True).load((pristine_project / "params.yaml").read_text("utf-8"))["train"]
    text = params("train: {estimator: sklearn.linear_model.Ridge}\n", "classification")
    found = YAML(typ="safe", pure=True).load(text)["train"]
    assert (found["estimator"], found["params"]) == (fresh["estimator"], fresh["params"])


def test_what_only_one_half_takes_goes() -> None:
    text = params(
        "train:\n  estimator: sklearn.ensemble.RandomForestClassifier\n"
        "  params: {n_estimators: 9, class_weight: balanced, criterion: gini}\n"
        "  class_weight: balanced\n  calibration: null\n  search: {strategy: grid, metric: roc_auc}\n",
        "regression",
    )
    assert text == DATA + (
        "train:\n  estimator: sklearn.ensemble.RandomForestRegressor\n"
        "  params: {n_estimators: 9}\n  search: {strategy: grid, metric: null}\n"
    )


def test_what_fits_stays() -> None:
    train = (
        "train:\n  estimator: sklearn.ensemble.RandomForestClassifier # good\n  params: {criterion: gini}\n"
        "  class_weight: balanced\n  calibration: sigmoid\n  search: {strategy: grid, metric: f1}\n"
    )
    notes: list[str] = []
    assert params(train, "classification", notes) == DATA + train
    assert notes == []


def test_params_without_a_train_block_or_its_parts() -> None:
    assert params("", "regression", strategy="time") == DATA.replace("group", "time")
    assert params("train: mine\n", "regression") == DATA + "train: mine\n"
    text = params("train: {estimator: our.Model}\n", "classification")
    assert YAML(typ="safe", pure=True).load(text)["train"] == {
        "estimator": "our.Model", "class_weight": None, "calibration": None,
    }  # fmt: skip
    text = params("train:\n  estimator: a.XClassifier\n  params: null\n  search: null\n", "regression")
    assert text == DATA + "train:\n  estimator: a.XRegressor\n  params: null\n  search: null\n"
    text = params("train:\n  estimator: a.Ridge\n  search: {strategy: null}\n", "classification")
    assert "search: {strategy: null}" in text


def test_params_without_a_data_block() -> None:
    Path("params.yaml").write_text("mine: 1\n", "utf-8")
    text = params_text(Path("params.yaml"), "t.csv", schema("regression"), None, [])
    assert YAML(typ="safe", pure=True).load(text) == {
        "mine": 1,
        "data": {"table": "t.csv", "split": {"strategy": "random", "test_size": 0.25, "seed": 20}},
    }


def test_slices_of_columns_that_are_gone() -> None:
    path, notes = Path("policy.yaml"), list[str]()
    path.write_text("slices:\n- {column: x}\n- {column: n} # ignored now\n- {column: z}\n- odd\n", "utf-8")
    assert policy_text(path, schema("regression"), notes) == "slices:\n- {column: x}\n"
    assert notes == ["policy.yaml: slices by n, z, None are gone, like the columns"]
    path.write_text("version: 1\n", "utf-8")
    assert policy_text(path, schema("regression"), notes) is None
    assert len(notes) == 1
    # Crossings and protected columns go with them, or policy.yaml would not be valid any more.
    path.write_text(
        "slices:\n- {column: x}\n- {column: z}\nslices_cross:\n- [x, z]\nfairness:\n  attributes: [x, z]\n",
        "utf-8",
    )
    left = YAML(typ="safe", pure=True).load(policy_text(path, schema("regression"), notes))
    assert left == {"slices": [{"column": "x"}], "slices_cross": [], "fairness": {"attributes": ["x"]}}


@pytest.mark.parametrize("sample", ["model_card.yaml", ".variants/regression/model_card.yaml"])
def test_answers_about_the_sample_are_no_answers_about_another_table(sample: str) -> None:
    path, notes = Path("model_card.yaml"), list[str]()
    lines = (TEMPLATE / sample).read_text("utf-8").splitlines()
    path.write_text(
        "\n".join("contact: Ada" if "<<" in line else line for line in lines[:-1]) + "\n", "utf-8"
    )
    before = HumanCard.read(path)
    assert "unknown" not in (before.intended_use, before.out_of_scope, before.data_origin, before.contact)
    text = card_text(path, notes)
    assert text is not None and "of the sample" not in text and "# who decides what with it" in text
    path.write_text(text, "utf-8")
    after = HumanCard.read(path)
    assert {after.intended_use, after.out_of_scope, after.data_origin, after.data_licence} == {"unknown"}
    assert after.contact == before.contact and len(notes) == 1
    # What people wrote stays.
    path.write_text(text.replace("out_of_scope: unknown", 'out_of_scope: "Pricing"'), "utf-8")
    assert card_text(path, notes) is None and len(notes) == 1


def test_expectations_without_a_list() -> None:
    path, notes = Path("behaviour.yaml"), list[str]()
    path.write_text("direction: []\nminimum:\n", "utf-8")
    assert behaviour_text(path, schema("regression"), False, notes) is None
    path.write_text("direction:\n- {column: x, change: 1, expect: increase}\n", "utf-8")
    assert behaviour_text(path, schema("regression"), True, notes) is None
    assert notes == []
    assert behaviour_text(path, schema("regression"), False, notes) == "direction: []\n"
    assert notes == ["behaviour.yaml: 1 expectation of other columns removed"]


def test_emptied_keeps_what_stands_between() -> None:
    text = "# a\na:\n  - 1\n\n# b\nb:\n- 2\n  # inner\nc: 3\n"
    assert emptied(text, ["a"]) == "# a\na: []\n\n# b\nb:\n- 2\n  # inner\nc: 3\n"
    assert emptied(text, ["a", "b"]) == "# a\na: []\n\n# b\nb: []\nc: 3\n"


# ---------------------------------------------------------------- YAML by hand


def set_a(content: CommentedMap) -> None:
    content["a"] = 1


def test_a_comment_moves_up_and_others_stay() -> None:
    Path("x.yaml").write_text("a: a long value # why\nb: 2     # there\nc: 'x  # y'\n", "utf-8")
    assert edited(Path("x.yaml"), set_a) == "a: 1 # why\nb: 2     # there\nc: 'x  # y'\n"


def test_blanks_inside_of_quotes_are_no_comment() -> None:
    def edit(content: CommentedMap) -> None:
        content["a"] = "x  # y"

    Path("x.yaml").write_text("a: 1\n", "utf-8")
    assert edited(Path("x.yaml"), edit) == "a: 'x  # y'\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "x.yaml is missing. Run this in the project's folder"),
        (b"a: [\n", "x.yaml cannot be read: "),
        (b"a: 1\na: 2\n", "x.yaml cannot be read: "),
        (b"a: \xff\n", "x.yaml cannot be read: "),
        (b"- 1\n", "x.yaml must hold keys and values."),
        (b"", "x.yaml must hold keys and values."),
    ],
)
def test_what_is_no_mapping_is_refused(content: bytes | None, message: str) -> None:
    if content is not None:
        Path("x.yaml").write_bytes(content)
    with pytest.raises(Fault) as fault:
        edited(Path("x.yaml"), set_a)
    assert str(fault.value).startswith(message)


def test_words_that_older_yaml_takes_for_truths_are_quoted() -> None:
    """A label `no` must stay a word for readers of YAML 1.1 as well."""
    text = io.StringIO()
    round_trip().dump(flow({"categories": ["no", "yes", "maybe"], "positive": "yes"}), text)
    assert text.getvalue().strip() == "{categories: ['no', 'yes', maybe], positive: 'yes'}"
