"""Hand-made results of a pipeline: the files that the card, the tracker and the status are told by, small and invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ACTIONS = Path(__file__).parents[2] / "actions"  # children import gitops_ml from here
SHA = "4f1c09ab" * 8
MD5 = "3f1c09ab" * 4

PIPELINE = """\
stages:
  prepare:
    cmd: python make.py prepare
    deps: [data/raw/churn.csv, schema.yaml, src/churn/data.py]
    params: [data]
    outs:
      - data/prepared/train.parquet
      - reports/data_profile.json: {cache: false}
  train:
    cmd: python make.py train
    deps: [data/prepared/train.parquet, src/churn/artifact.py, src/churn/train.py]
    params:
      - train
      - pyproject.toml: [project.dependencies]
    outs: [models/model.skops, models/training.json]
  evaluate:
    cmd: python make.py evaluate
    deps: [models/model.skops, src/churn/evaluate.py]
    metrics:
      - reports/metrics.json: {cache: false}
    outs:
      - reports/evaluation.json: {cache: false}
  card:
    cmd: python -m gitops_ml card
    deps: [model_card.yaml, models/training.json, params.yaml, reports/data_profile.json,
      reports/evaluation.json, reports/metrics.json, schema.yaml, tests/model/behaviour.yaml,
      src/churn/data.py, src/churn/artifact.py, src/churn/train.py, src/churn/evaluate.py]
    outs:
      - MODEL_CARD.md: {cache: false}
      - reports/model_card.json: {cache: false}
"""

HUMAN = """\
# The human half.
intended_use: Retention calls by trained agents.
out_of_scope: Pricing.
users: The retention team
people_affected: |
  Customers who get a call they did not need.

  # Not a heading
factors: Customers on prepaid plans behave differently.
data_origin: The billing system, 2025
data_licence: internal
ethical_considerations: No protected attribute is a feature.
caveats: Not tested on business customers.
contact: ada@example.org
licence: "BSD-3-Clause"
"""

Files = dict[str, Any]


def platform() -> Files:
    return {
        "system": "Linux",
        "machine": "x86_64",
        "cpu": "avx2",
        "blas": "openblas",
        "python": "3.11.9",
        "libraries": {"scikit-learn": "1.9.1", "numpy": "2.4.6"},
    }


def training(features: list[str], classes: list[Any] | None, estimator: str, **more: Any) -> Files:
    return {
        "version": 1,
        "model": {"path": "models/model.skops", "sha256": SHA, "size": 212_345},
        "estimator": estimator,
        "params": {"learning_rate": 0.1, "max_iter": 200},
        "search": None,
        "calibration": None,
        "class_weight": None,
        "seed": 7,
        "threads": 2,
        "rows": 5282,
        "features": features,
        "classes": classes,
        "platform": platform(),
        **more,
    }


def column(role: str, kind: str, nulls: int = 0, **more: Any) -> Files:
    return {"role": role, "type": kind, "nulls": nulls, "null_share": nulls / 7043, "distinct": 9, **more}


def profile(columns: Files, target: str, task: str, balance: Files, **more: Any) -> Files:
    part = {"rows": 7043, **balance}
    return {
        "version": 1,
        "table": {"path": "data/raw/churn.csv", "md5": MD5, "size": 1_234_567, "rows": 7050},
        "rows": {"total": 7050, "train": 5282, "test": 1761, "without_target": 7},
        "columns": columns,
        "target": {"column": target, "task": task, "overall": part, "train": part, "test": part},
        "duplicates": {"rows": 12, "share": 12 / 7043},
        "overlap": {"rows": 3, "share": 3 / 1761},
        **more,
    }


def evaluation(task: str, primary: str, **more: Any) -> Files:
    return {
        "version": 1,
        "task": task,
        "primary": primary,
        "level": 0.95,
        "n": 1761,
        "model_sha256": SHA,
        "positive": None,
        "classes": None,
        "methods": {},
        "left_out": {},
        "dummy": {},
        "slices": [],
        "importance": [],
        "confusion": None,
        "calibration": None,
        "learning_curve": None,
        "pictures": [],
        **more,
    }


def metric(value: float | None, low: float | None = None, high: float | None = None) -> Files:
    return {"value": value, "low": low, "high": high}


def slice_(column: str, value: Any, n: int, estimate: float | None, judged: bool = True) -> Files:
    low, high = (None, None) if estimate is None else (estimate - 0.04, estimate + 0.03)
    return {
        "column": column,
        "value": value,
        "n": n,
        "judged": judged,
        "metric": "roc_auc",
        "estimate": estimate,
        "low": low,
        "high": high,
    }


def common() -> Files:
    return {
        "dvc.yaml": PIPELINE,
        "model_card.yaml": HUMAN,
        "params.yaml": "data:\n  table: data/raw/churn.csv\ntrain:\n  seed: 7\n",
        ".gitops-ml.yaml": (
            "template: cookiecutter-gitops-ml\nversion: 0.1.0\nanswers:\n  project_name: Churn\n"
            "  project_slug: churn\n  package_name: churn\n  description: Who leaves next month.\n"
            "  author_name: Ada L.\n  author_email: ada@example.org\n  mlflow_tracking_uri: ''\n"
        ),
        "tests/model/behaviour.yaml": "invariance: []\ndirection: []\nminimum: []\n",
        "src/churn/data.py": "data = 1\n",
        "src/churn/artifact.py": "artifact = 1\n",
        "src/churn/train.py": "train = 1\n",
        "src/churn/evaluate.py": "evaluate = 1\n",
    }


def schema(task: str, columns: str) -> str:
    return (
        f"version: 1\ntask: {task}\n"
        "file: {format: csv, delimiter: ',', decimal: ., encoding: utf-8}\n"
        f"columns:\n{columns}"
    )


def binary() -> Files:
    """Everything answered, everything declared."""
    return {
        **common(),
        "schema.yaml": schema(
            "classification",
            "  customer: {role: id, type: text}\n"
            "  tenure: {role: feature, type: integer, minimum: 0}\n"
            "  contract: {role: feature, type: category, nullable: true, categories: [monthly, two-year]}\n"
            "  refund: {role: feature, type: number, available: false}\n"
            "  churned: {role: target, type: category, categories: ['no', 'yes'], positive: 'yes'}\n",
        ),
        "models/training.json": training(
            ["tenure", "contract"],
            ["no", "yes"],
            "sklearn.ensemble.HistGradientBoostingClassifier",
            search={
                "strategy": "halving",
                "metric": "roc_auc",
                "candidates": 12,
                "best_params": {"learning_rate": 0.03},
                "best_score": 0.8412,
            },
            calibration="sigmoid",
            class_weight="balanced",
        ),
        "reports/data_profile.json": profile(
            {
                "customer": column("id", "text"),
                "tenure": column("feature", "integer", mean=32.4),
                "contract": column(
                    "feature", "category", nulls=18, categories={"monthly": 4000, "two-year": 3025}
                ),
                "refund": column("feature", "number"),
                "churned": column("target", "category", categories={"no": 5174, "yes": 1869}),
            },
            "churned",
            "classification",
            {"classes": {"no": 5174, "yes": 1869}},
        ),
        "reports/metrics.json": {
            "n": 1761,
            "roc_auc": metric(0.84621, 0.8278, 0.8644),
            "recall": metric(0.5432, 0.51, 0.58),
            "brier": metric(0.1321),
        },
        "reports/evaluation.json": evaluation(
            "binary",
            "roc_auc",
            positive="yes",
            classes=["no", "yes"],
            methods={"roc_auc": "DeLong, Biometrics 1988", "recall": "Wilson"},
            dummy={"roc_auc": 0.5, "recall": 0.0},
            slices=[
                slice_("contract", "monthly", 1300, 0.83),
                slice_("contract", "two-year", 424, 0.7712),
                slice_("contract", None, 9, 0.1, judged=False),
            ],
            importance=[
                {"feature": "tenure", "mean": 0.1213, "std": 0.004},
                {"feature": "contract", "mean": 0.0004, "std": 0.0001},
            ],
            confusion={"labels": ["no", "yes"], "counts": [[1190, 104], [213, 254]]},
            calibration={
                "bins": [{"low": 0.0, "high": 0.5, "n": 1400, "predicted": 0.2, "observed": 0.19}],
                "ece": 0.0213,
            },
            pictures=[
                {"file": "roc.svg", "title": "ROC"},
                {"file": "calibration.svg", "title": "Calibration"},
            ],
        ),
        "tests/model/behaviour.yaml": (
            "invariance:\n  - {column: contract, values: [monthly], tolerance: 0.2}\n"
            "  - {column: tenure, shift: 0.5, tolerance: 0.1}\n"
            "direction:\n  - {column: tenure, change: 12, expect: decrease}\n"
            "minimum:\n  - {row: {tenure: 1, contract: monthly}, expect: 'yes'}\n"
        ),
    }


def multiclass() -> Files:
    """Integer classes, nothing declared, nothing sliced, no calibration."""
    return {
        **common(),
        "schema.yaml": schema(
            "classification",
            "  a: {role: feature, type: number}\n  b: {role: feature, type: number}\n"
            "  kind: {role: target, type: integer, categories: [0, 1, 2]}\n",
        ),
        "models/training.json": training(["a", "b"], [0, 1, 2], "sklearn.linear_model.LogisticRegression"),
        "reports/data_profile.json": profile(
            {name: column("feature", "number") for name in ("a", "b")}
            | {"kind": column("target", "integer", categories={"0": 59, "1": 71, "2": 48})},
            "kind",
            "classification",
            {"classes": {"0": 59, "1": 71, "2": 48}},
            duplicates={"rows": 0, "share": 0.0},
            overlap={"rows": 0, "share": 0.0},
        ),
        "reports/metrics.json": {
            "n": 1761,
            "roc_auc_ovr": metric(1, 0.997, 1),
            "f1_macro": metric(0.98, 0.95, 1),
        },
        "reports/evaluation.json": evaluation(
            "multiclass",
            "roc_auc_ovr",
            classes=[0, 1, 2],
            dummy={"roc_auc_ovr": 0.5},
            confusion={"labels": [0, 1, 2], "counts": [[15, 0, 0], [1, 17, 0], [0, 0, 12]]},
            importance=[
                {"feature": "a", "mean": 0.31, "std": 0.02},
                {"feature": "b", "mean": -0.001, "std": 0.002},
            ],
        ),
    }


def regression() -> Files:
    """A number as target, a slice with too few rows."""
    return {
        **common(),
        "schema.yaml": schema(
            "regression",
            "  bmi: {role: feature, type: number}\n  progression: {role: target, type: number}\n",
        ),
        "models/training.json": training(["bmi"], None, "sklearn.ensemble.HistGradientBoostingRegressor"),
        "reports/data_profile.json": profile(
            {"bmi": column("feature", "number"), "progression": column("target", "number", mean=152.1)},
            "progression",
            "regression",
            {"mean": 152.133, "quantiles": {"5": 51.0, "50": 140.5, "95": 303.0}},
        ),
        "reports/metrics.json": {
            "n": 1761,
            "r2": metric(0.3712, -0.0121, 0.5213),
            "mae": metric(43.21, 38.02, 49.4),
            "rmse": metric(1250.4, 1100, 1400.9),
        },
        "reports/evaluation.json": evaluation(
            "regression",
            "r2",
            dummy={"r2": -0.002, "mae": 66.3},
            slices=[{**slice_("bmi", "low", 8, None, judged=False), "metric": "r2"}],
            pictures=[{"file": "residuals.svg", "title": "Residuals"}],
        ),
    }


def unknown() -> Files:
    """Nobody answered anything, and what could be unmeasured is."""
    files = binary()
    files["model_card.yaml"] = (
        "intended_use: unknown # who decides\nout_of_scope:\nusers: TODO\nlicence: unknown\n"
    )
    files[".gitops-ml.yaml"] = "answers: {}\n"
    files["tests/model/behaviour.yaml"] = "{}\n"
    files["reports/metrics.json"] = {"n": 1761}
    left_out = {"roc_auc": "the test rows hold one class"}
    files["reports/evaluation.json"] = evaluation(
        "binary", "roc_auc", positive="yes", classes=["no", "yes"], left_out=left_out
    )
    training_ = files["models/training.json"]
    training_.update(search=None, calibration=None, class_weight=None, params={})
    training_["platform"]["libraries"] = {}
    return files


def hostile() -> Files:
    """Names that try to be Markdown, HTML, YAML, a table's border, a link, another line, or to turn the text round."""
    pipe, tick, html = "a|b", "``tick`", "<img src=x onerror=alert(1)>"
    turned, lines, link = "\u202ereversed", "two\nlines\r\n---", "[x](javascript:alert(1))"
    names = [
        pipe,
        tick,
        html,
        turned,
        lines,
        link,
        " edge ",
        "{{ jinja }}",
        "${{ secrets }}",
        "naïve 🦔 *bold* _it_",
    ]
    target = "x: y # 'no' \"\u2028\u0085"
    columns = "".join(
        f"  {json.dumps(name, ensure_ascii='🦔' not in name)}: {{role: feature, type: number}}\n"
        for name in names
    )
    files = {
        **common(),
        "schema.yaml": schema(
            "classification",
            columns
            + f"  {json.dumps(target)}: {{role: target, type: category, categories: [{json.dumps(pipe)}, no]}}\n",
        ),
        "models/training.json": training(names, [pipe, "no"], "my.`Estimator`|", params={pipe: html}),
        "reports/data_profile.json": profile(
            {name: column("feature", "number", nulls=3) for name in names}
            | {target: column("target", "category")},
            target,
            "classification",
            {"classes": {pipe: 3, html: 4, tick: 1}},
        ),
        "reports/metrics.json": {"n": 1761, "roc_auc": metric(0.9, 0.8, 0.95), html: metric(0.1, 0, 1)},
        "reports/evaluation.json": evaluation(
            "binary",
            "roc_auc",
            positive=pipe,
            classes=[pipe, "no"],
            methods={"roc_auc": f"{pipe} {html}"},
            slices=[slice_(pipe, lines, 99, 0.5), slice_(html, tick, 98, 0.6)],
            importance=[{"feature": name, "mean": 0.1, "std": 0.01} for name in names],
            confusion={"labels": [pipe, html], "counts": [[1, 2], [3, 4]]},
            pictures=[{"file": "../../x)<y>.svg", "title": "](evil) |"}],
        ),
        ".gitops-ml.yaml": "answers:\n  project_name: "
        + json.dumps(f"{html} {lines} # {pipe}")
        + "\n  description: '---'\n",
        "model_card.yaml": (
            "intended_use: " + json.dumps(f"{html} | {'long ' * 60}") + "\n"
            "out_of_scope: |\n  ---\n  # heading\n  ```\n  <script>alert(1)</script>\n  ===\n"
            "contact: 'a|b <x@y>'\nlicence: 'My own: \"licence\"'\n"
        ),
        "tests/model/behaviour.yaml": (
            "invariance:\n  - {column: "
            + json.dumps(html)
            + ", values: [1, 2, 3, 4, 5, 6, true], tolerance: 0.1}\n"
            "minimum:\n  - {row: {" + json.dumps(pipe) + ": null}, expect: {low: 1, high: 2}}\n"
        ),
    }
    return files


def wide(columns: int = 500) -> Files:
    """Many columns, many slices, many classes: still a card that a person opens."""
    files = multiclass()
    names = [f"column_{number}" for number in range(columns)]
    labels = [f"class {number}" for number in range(30)]
    listed = ", ".join(json.dumps(label) for label in labels)
    files["schema.yaml"] = schema(
        "classification",
        "".join(f"  {name}: {{role: feature, type: number, nullable: true}}\n" for name in names)
        + f"  kind: {{role: target, type: category, categories: [{listed}]}}\n",
    )
    files["models/training.json"] = training(names, labels, "sklearn.linear_model.LogisticRegression")
    files["reports/data_profile.json"] = profile(
        {name: column("feature", "number", nulls=5) for name in names}
        | {"kind": column("target", "category")},
        "kind",
        "classification",
        {"classes": {label: 60 for label in labels}},
    )
    report = files["reports/evaluation.json"]
    report["slices"] = [{**slice_("a", number, 50, 0.9), "metric": "roc_auc_ovr"} for number in range(40)]
    report["importance"] = [{"feature": name, "mean": 0.1, "std": 0.1} for name in names]
    report["confusion"] = {"labels": labels, "counts": [[1] * 30 for _ in labels]}
    behaviour = "\n".join(f"  - {{column: {name}, change: 1, expect: increase}}" for name in names[:30])
    files["tests/model/behaviour.yaml"] = f"direction:\n{behaviour}\n"
    return files


def write(root: Path, files: Files) -> Path:
    """Put the files below a folder: texts as they are, data as JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
    return root
