"""MODEL_CARD.md from the card's data: first screen, then Mitchell's sections (Mitchell et al., FAT* 2019, figure 1)."""

from __future__ import annotations

import posixpath

from gitops_ml.card.front_matter import front_matter
from gitops_ml.card.markdown import between, bytes_, code, folded, line, number, plain, prose, table
from gitops_ml.card.names import metric_name
from gitops_ml.contracts.evaluation import Slice
from gitops_ml.contracts.model_card import Measured, ModelCard

MANY = 20  # rows of a table that a reader takes in; longer ones are folded
FIRST = 160  # characters of an answer on the first screen


def render(card: ModelCard) -> str:
    """The whole file. The same card is the same text."""
    sections = [
        ("Model details", _model_details(card)),
        ("Intended use", _intended_use(card)),
        ("Factors", _factors(card)),
        ("Metrics", _metrics(card)),
        ("Evaluation data", _evaluation_data(card)),
        ("Training data", _training_data(card)),
        ("Quantitative analyses", _analyses(card)),
        ("Ethical considerations", _ethics(card)),
        ("Caveats and recommendations", _caveats(card)),
        ("Lineage", _lineage(card)),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"{front_matter(card)}\n{_first_screen(card)}\n\n{body}\n"


def _first_screen(card: ModelCard) -> str:
    primary, data = card.performance.primary, card.data
    name = metric_name(primary.metric)
    features = len(card.model.features)
    lines = [
        f"Predicts {code(card.target)} from {features:,} column{'s' * (features != 1)}. "
        f"**{name} {number(primary.value)}** ({_interval(primary)}), {card.performance.n:,} held-out rows.",
        f"**Meant for:** {_short(card, 'intended_use')} **Not for:** {_short(card, 'out_of_scope')}",
        f"**Weakest where:** {_weakest(card)} Trained on {card.model.rows:,} rows of data md5 {_brief(data.md5)}, "
        f"params {_brief(card.params_digest)}, code {_brief(card.code_digest)}.",
    ]
    described = f"{plain(card.description)}\n\n" if card.description else ""
    unknown = len(card.unknown)
    note = (
        f"\n\n> {unknown} answer{'s' * (unknown != 1)} of yours still unknown: edit model_card.yaml."
        if unknown
        else ""
    )
    return f"# {plain(card.name)}\n\n{described}" + "\\\n".join(lines) + note


def _brief(digest: str) -> str:
    return digest.rpartition(":")[2][:8]


def _interval(metric: Measured | Slice) -> str:
    if metric.low is None or metric.high is None:
        return "interval unknown"
    return between(metric.low, metric.high)


def _short(card: ModelCard, key: str) -> str:
    value = card.answers[key].value
    if value is None:
        return _unknown(card, key)
    first = line(value)
    return plain(first).rstrip(".") + "." if len(first) <= FIRST else plain(first[: FIRST - 1].rstrip()) + "…"


def _unknown(card: ModelCard, key: str) -> str:
    at = card.answers[key].line
    where = f"answer `{key}` in model_card.yaml, line {at}" if at else f"add `{key}:` to model_card.yaml"
    return f"unknown ({where})."


def _answer(card: ModelCard, key: str) -> str:
    value = card.answers[key].value
    return _unknown(card, key) if value is None else prose(value)


def _answered(card: ModelCard, title: str, key: str) -> str:
    answer = _answer(card, key)
    # A longer answer is Markdown of its own and starts on its own line.
    return f"**{title}**" + (f"\n\n{answer}" if "\n" in answer else f" {answer}")


def _weakest(card: ModelCard) -> str:
    weakest = card.performance.weakest
    if weakest is not None:
        name = metric_name(weakest.metric)
        return f"{_slice(weakest)} ({name} {number(weakest.estimate)}, n = {weakest.n:,})."
    if card.performance.slices:
        return "unknown (no slice has enough rows to be judged)."
    return "unknown (name `slices` in policy.yaml)."


def _slice(one: Slice) -> str:
    return f"{code(one.column)} = {code('(empty)' if one.value is None else one.value)}"


def _model_details(card: ModelCard) -> str:
    model = card.model
    rows = [
        ["Estimator", code(model.estimator)],
        ["Given parameters", ", ".join(code(f"{k} = {v}") for k, v in model.params.items()) or "none"],
        ["Search", _search(card)],
        ["Calibration", plain(model.calibration) if model.calibration else "none"],
        ["Class weights", code(model.class_weight) if model.class_weight else "none"],
        ["Seed, threads", f"{model.seed}, {model.threads}"],
        ["File", f"{code(model.file.path)}, {bytes_(model.file.size)}, sha256 {code(model.file.sha256)}"],
        [
            "Platform",
            plain(f"{model.platform.system} {model.platform.machine}, Python {model.platform.python}"),
        ],
        ["Libraries", ", ".join(plain(f"{k} {v}") for k, v in model.platform.libraries.items()) or "unknown"],
        ["Licence", _one_line(card, "licence")],
        ["Contact", _one_line(card, "contact")],
    ]
    return table(["", ""], rows)


def _one_line(card: ModelCard, key: str) -> str:
    value = card.answers[key].value
    return _unknown(card, key).rstrip(".") if value is None else plain(value)


def _search(card: ModelCard) -> str:
    search = card.model.search
    if search is None:
        return "none"
    best = ", ".join(code(f"{k} = {v}") for k, v in search.best_params.items()) or "the defaults"
    return (
        f"{plain(search.strategy)}, {search.candidates} candidates by {plain(search.metric)}: "
        f"{best} (mean over folds {number(search.best_score)})"
    )


def _intended_use(card: ModelCard) -> str:
    return "\n\n".join(
        [
            _answered(card, "Meant for:", "intended_use"),
            _answered(card, "Not for:", "out_of_scope"),
            _answered(card, "Users:", "users"),
        ]
    )


def _factors(card: ModelCard) -> str:
    slices = card.performance.slices
    head = ["slice", "n", "measure", "estimate", "interval", ""]
    rows = [
        [
            _slice(one),
            f"{one.n:,}",
            metric_name(one.metric),
            number(one.estimate),
            _interval(one),
            "" if one.judged else "too few rows to judge",
        ]
        for one in slices
    ]
    text = (
        table(head, rows, right=frozenset({1, 3}))
        if rows
        else "No slices are named: `slices` in policy.yaml."
    )
    if len(rows) > MANY:
        text = folded(f"{len(rows)} slices", text)
    return f"{_answer(card, 'factors')}\n\n{text}"


def _metrics(card: ModelCard) -> str:
    part = card.performance
    level = f"{part.level:.0%} interval"
    rows = [
        [
            metric_name(metric.metric) + (" (primary)" if metric.metric == part.primary.metric else ""),
            number(metric.value),
            _interval(metric),
            "not measured" if metric.dummy is None else number(metric.dummy),
        ]
        for metric in part.metrics
    ]
    text = table(["measure", "estimate", level, "dummy"], rows, right=frozenset({1, 3}))
    text += f"\n\nOn {part.n:,} held-out rows. *Dummy* ignores every column: what a model must beat."
    if card.positive is not None:
        text += f" The positive class is {code(card.positive)}."
    if part.left_out:
        left_out = (f"- {metric_name(name)}: {plain(why)}" for name, why in part.left_out.items())
        text += "\n\nNot measured:\n\n" + "\n".join(left_out)
    methods = [f"- {metric_name(m.metric)}: {plain(m.method)}" for m in part.metrics if m.method]
    return text + ("\n\n" + folded("How the intervals were made", "\n".join(methods)) if methods else "")


def _evaluation_data(card: ModelCard) -> str:
    rows, overlap = card.data.rows, card.data.overlap
    return f"{rows.test:,} of {rows.total:,} rows of {code(card.data.table)}, held out before training. " + (
        f"**{overlap.rows:,} of them ({overlap.share:.1%}) equal a training row in every feature.**"
        if overlap.rows
        else "None of them equals a training row in every feature."
    )


def _training_data(card: ModelCard) -> str:
    data = card.data
    total = data.rows.train + data.rows.test
    kept = f"{data.rows.without_target:,} rows without {code(card.target)} were left out. " * bool(
        data.rows.without_target
    )
    facts = [
        f"{data.rows.train:,} rows of {code(data.table)} ({bytes_(data.size)}, md5 {code(data.md5)}). {kept}",
        _answered(card, "Origin:", "data_origin"),
        _answered(card, "Licence of the data:", "data_licence"),
        _balance(card, total),
        f"Duplicate rows: {data.duplicates.rows:,} ({data.duplicates.share:.1%}).",
        _nulls(card),
    ]
    columns = table(["column", "type"], ([code(name), kind] for name, kind in data.types.items()))
    noun = "column" if len(data.types) == 1 else "columns"
    return (
        "\n\n".join(fact.strip() for fact in facts)
        + "\n\n"
        + folded(f"{len(data.types):,} {noun} the model sees", columns)
    )


def _balance(card: ModelCard, total: int) -> str:
    target = card.data.target
    if target.classes is not None:
        rows = [
            [code(label), f"{count:,}", f"{count / max(total, 1):.1%}"]
            for label, count in target.classes.items()
        ]
        text = table([f"{code(card.target)}", "rows", "share"], rows, right=frozenset({1, 2}))
        return folded(f"{len(rows)} classes", text) if len(rows) > MANY else text
    quantiles = target.quantiles or {}
    cells = [number(target.mean), *(number(value) for value in quantiles.values())]
    head = [f"mean of {code(card.target)}", *(f"{plain(name)}%" for name in quantiles)]
    return table(head, [cells], right=frozenset(range(len(cells))))


def _nulls(card: ModelCard) -> str:
    nulls = card.data.nulls
    if not nulls:
        return "No empty cells."
    text = table(
        ["column with empty cells", "rows", "share"],
        ([code(one.column), f"{one.rows:,}", f"{one.share:.1%}"] for one in nulls),
        right=frozenset({1, 2}),
    )
    return folded(f"{len(nulls)} columns with empty cells", text) if len(nulls) > MANY else text


def _analyses(card: ModelCard) -> str:
    part = card.performance
    parts = [_pictures(card)] if part.pictures else []
    if part.calibration is not None:
        parts.append(
            f"**Calibration:** expected calibration error {number(part.calibration.ece)} "
            "(0 is perfect: of rows scored 0.7, seven in ten turn out so)."
        )
    if part.confusion is not None:
        labels = part.confusion.labels
        grid = table(
            ["true, down; predicted, across", *(code(label) for label in labels)],
            (
                [code(label), *(f"{n:,}" for n in row)]
                for label, row in zip(labels, part.confusion.counts, strict=False)
            ),
            right=frozenset(range(1, len(labels) + 1)),
        )
        parts.append(folded(f"Confusion of {len(labels)} classes", grid) if len(labels) > MANY else grid)
    rows = ([code(one.feature), number(one.mean), number(one.std)] for one in part.importance)
    name = metric_name(part.primary.metric)
    parts.append(
        table(
            ["most important columns", f"loss of {name} when shuffled", "std"], rows, right=frozenset({1, 2})
        )
        if part.importance
        else "Importance: unknown (not measured)."
    )
    parts.append(_behaviour(card))
    return "\n\n".join(parts)


def _pictures(card: ModelCard) -> str:
    shown = []
    for picture in card.performance.pictures:
        # Names come from a report; a link out of reports/pictures is not a picture of this card.
        path = posixpath.normpath(posixpath.join("reports/pictures", posixpath.basename(picture.file)))
        shown.append(f"![{plain(picture.title)}](<{path.replace('<', '%3C').replace('>', '%3E')}>)")
    return "\n".join(shown)


def _behaviour(card: ModelCard) -> str:
    lines = []
    for kind in ("invariance", "direction", "minimum"):
        declared: list[str] = getattr(card.behaviour, kind)
        title = {"minimum": "minimum function"}.get(kind, kind)
        if not declared:
            lines.append(f"- {title}: not declared")
        elif len(declared) > MANY:
            lines.append(f"- {title}: {len(declared)} expectations, in {card.behaviour.origin.file}")
        else:
            lines.append(f"- {title}: " + "; ".join(plain(one) for one in declared))
    return "**Expected behaviour**, as tests/model checks it:\n\n" + "\n".join(lines)


def _ethics(card: ModelCard) -> str:
    affected = _answered(card, "People affected:", "people_affected")
    return f"{affected}\n\n{_answer(card, 'ethical_considerations')}"


def _caveats(card: ModelCard) -> str:
    return _answer(card, "caveats")


def _lineage(card: ModelCard) -> str:
    rows = [[plain(row.what), row.stage or "", code(row.file), code(row.digest)] for row in card.lineage]
    return "Everything above follows from these.\n\n" + table(["what", "stage", "file", "digest"], rows)
