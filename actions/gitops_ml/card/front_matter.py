"""The card's YAML front matter as the Hugging Face Hub reads it, with `model-index`.

Format: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

from gitops_ml.card.markdown import line, scalar
from gitops_ml.card.names import NAMES
from gitops_ml.contracts.model_card import Measured, ModelCard

# Licence identifiers that the Hub knows, of those people use for models and tables. Others are "other" with a name.
LICENCES = frozenset(
    [
        "apache-2.0",
        "mit",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "isc",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-4.0",
        "mpl-2.0",
        "epl-1.0",
        "epl-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "agpl-3.0",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "ecl-2.0",
        "afl-3.0",
        "ms-pl",
        "ncsa",
        "odbl",
        "odc-by",
        "ofl-1.1",
        "openrail",
        "osl-3.0",
        "pddl",
        "postgresql",
        "unlicense",
        "wtfpl",
        "zlib",
        "etalab-2.0",
        "unknown",
        "other",
    ]
)


def front_matter(card: ModelCard) -> str:
    """From one ``---`` to the other, one final newline. Every text is quoted, so YAML 1.1 and 1.2 agree on it."""
    kind = "tabular-regression" if card.task == "regression" else "tabular-classification"
    lines = [
        "---",
        *_licence(card.answers["licence"].value),
        "library_name: sklearn",
        f"pipeline_tag: {kind}",
    ]
    lines += ["tags:", "- sklearn", "- skops", "- tabular", f"- {kind}"]
    measured = [metric for metric in card.performance.metrics if metric.value is not None]
    lines += ["metrics:", *(f"- {scalar(metric.metric)}" for metric in measured)] if measured else []
    lines += ["model-index:", f"- name: {scalar(line(card.name))}", "  results:"]
    lines += ["  - task:", f"      type: {kind}", f"      name: {scalar('Predict ' + line(card.target))}"]
    table = line(card.data.table)
    lines += ["    dataset:", "      type: tabular", f"      name: {scalar(table)}", "      split: test"]
    lines += [f"      revision: {scalar('md5:' + card.data.md5)}"]
    lines += (
        ["    metrics:", *(row for metric in measured for row in _metric(metric))]
        if measured
        else ["    metrics: []"]
    )
    return "\n".join([*lines, "---", ""])


def _licence(answer: str | None) -> list[str]:
    if answer is None:
        return ["license: unknown"]
    known = answer.strip().lower().replace(" ", "-")
    return (
        [f"license: {known}"]
        if known in LICENCES
        else ["license: other", f"license_name: {scalar(line(answer))}"]
    )


def _metric(metric: Measured) -> list[str]:
    name = NAMES.get(metric.metric, metric.metric)
    rows = [
        f"    - type: {scalar(metric.metric)}",
        f"      name: {scalar(name)}",
        f"      value: {scalar(metric.value)}",
    ]
    if metric.low is not None and metric.high is not None:
        rows += ["      args:", f"        low: {scalar(metric.low)}", f"        high: {scalar(metric.high)}"]
    return rows
