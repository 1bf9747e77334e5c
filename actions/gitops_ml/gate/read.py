"""Gathers the evidence from the folders of build and score, and believes nothing that is not borne out by a digest.

The chain: the manifests by the digests that travel as job outputs; files and objects by the manifests; the lock by
its blob id; objects and reports by the lock; the model by its sha256 in all four places that name it; predictions
by the scores' manifest. What breaks it is :class:`Forged`, with the link that broke.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_ml import __version__
from gitops_ml.build.held_out import TRAIN
from gitops_ml.build.reused import reused
from gitops_ml.build.seal import object_path
from gitops_ml.build.sealed import opened
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.metrics import Metrics
from gitops_ml.contracts.model_card import ModelCard
from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Scores
from gitops_ml.contracts.verdict import Measurements, Side
from gitops_ml.errors import Fault
from gitops_ml.gate import said
from gitops_ml.gate.bad_day import bad_day
from gitops_ml.gate.chain import AGAIN, Source
from gitops_ml.gate.evidence import Evidence, Forged, Player
from gitops_ml.gate.gold_rows import gold_rows
from gitops_ml.gate.past import PROFILE, past
from gitops_ml.gate.prepared import measured
from gitops_ml.gate.splitting import by_time

if TYPE_CHECKING:
    import pandas as pd

SCHEMA, POLICY, OVERRIDES = "schema.yaml", "policy.yaml", "overrides.yaml"
METRICS, EVALUATION, CARD = "reports/metrics.json", "reports/evaluation.json", "reports/model_card.json"


def gather(
    candidate: Path,
    scores: Path,
    *,
    base: Path,
    head: Path,
    today: date,
    candidate_digest: str | None = None,
    scores_digest: str | None = None,
    protected: Sequence[str] = (),
    alone: bool = False,
    history: Path | None = None,
    handed_over: bool = False,
) -> Evidence:
    """The evidence. Raises :class:`Forged` where two pieces disagree, :class:`Fault` where a file of people is not valid.

    ``base``: a checkout of the base branch (policy.yaml, schema.yaml of today's callers). ``head``: a checkout of the
    commit that was built (schema.yaml, overrides.yaml, and reports that the build left as they were). The digests are
    those of both manifests as job outputs; None on a laptop. ``protected``: files
    of the pull request that only people may change (see ``build.derived``). ``alone`` and ``handed_over``: see
    :class:`Evidence`. ``history``: a checkout whose git history holds the champion's commit: what its data were is read there.
    """
    try:
        sealed = opened(candidate, candidate_digest)
    except Forged:
        raise
    except Fault as wrong:
        raise Forged(f"the candidate: {wrong}") from None
    source = Source(candidate, head, sealed)
    source.check()
    given = said.scores_of(scores, scores_digest)
    manifest = said.sha256((candidate / "manifest.json").read_bytes())
    if given.candidate != manifest:
        raise Forged(f"the scores are of candidate {given.candidate[:12]}, not of {manifest[:12]}. {AGAIN}")
    rows_file = object_path(candidate, sealed.test_rows.md5)
    rows_sha256 = said.sha256(rows_file.read_bytes())
    if given.test_rows != rows_sha256:
        raise Forged(
            f"the scores are of test rows {given.test_rows[:12]}, the candidate's are {rows_sha256[:12]}. {AGAIN}"
        )
    if given.challenger.model_sha256 != sealed.model.sha256:
        raise Forged(
            f"the scores are of model {given.challenger.model_sha256[:12]}, the candidate's is "
            f"{sealed.model.sha256[:12]}. {AGAIN}"
        )
    schema = SchemaFile.parse(source.yaml(SCHEMA), f"{SCHEMA} of the pull request")
    policy = (base / POLICY).read_bytes() if (base / POLICY).is_file() else b""
    rules = PolicyFile.read(base / POLICY)
    rows = _rows(rows_file, schema, rules)
    truth, groups = rows.truth, rows.groups
    overrides = _overrides(source)
    champion = None if given.champion is None else said.player(scores, given.champion, len(truth), "champion")
    baseline, no_baseline = said.baseline(scores, given, len(truth), rules.baseline.version)
    table, limit = rules.gold.table, rules.reuse.limit
    return Evidence(
        policy=rules,
        policy_sha256=said.sha256(policy),
        old_schema=SchemaFile.read(base / SCHEMA) if (base / SCHEMA).is_file() else None,
        new_schema=schema,
        test_rows=rows_sha256,
        truth=truth,
        groups=groups,
        columns=rows.columns,
        ids=rows.ids,
        challenger=Player(
            Side(
                version=None,
                revision=None,  # the commit that will hold these bytes is not made yet
                sha256=sealed.model.sha256,
                predictions=given.challenger.sha256,
            ),
            said.predictions_of(scores, given.challenger, len(truth), "challenger"),
            size=sealed.model.size,
        ),
        champion=champion,
        metrics=source.report(METRICS, Metrics),
        evaluation=_evaluation(source, sealed),
        card=source.report(CARD, ModelCard) if source.has(CARD) else None,
        lock=sealed.lock,
        suite=__version__,
        prepared=measured(_train_rows(candidate, sealed), rows_file, schema, rules.leakage.alone),
        profile=source.report(PROFILE, ProfileFile) if source.has(PROFILE) else None,
        past=None if champion is None else past(history, str(champion.side.revision)),
        shuffled=said.shuffled(scores, given, len(truth)),
        by_time=by_time(base, source),
        protected=tuple(protected),
        overrides=tuple(one for one in overrides.overrides if one.expires >= today),
        expired=tuple(one for one in overrides.overrides if one.expires < today),
        alone=alone,
        handed_over=handed_over,
        gold=None if table is None else gold_rows(table, source, base, scores, given, schema),
        reused=None if limit is None else reused(head, sealed),
        again=sealed.again,
        baseline=baseline,
        no_baseline=no_baseline,
        disturbed=bad_day(rows_file, schema, rules, scores, given),
    )


def measurements(candidate: Path, scores: Path, evidence: Evidence | None = None) -> Measurements:
    """What clocks and scales said, of folders that :func:`gather` has checked. Raises :class:`Forged`.

    ``evidence``: by whose policy and overrides it is judged; None: not at all, as at a release: the merge was the approval.
    """
    from gitops_ml.gate.clocks import cost, judged

    sealed, given = Candidate.read(candidate / "manifest.json"), Scores.read(scores / "manifest.json")
    timings = None if given.timings is None else said.timings(scores, given.timings)
    took = sum(sealed.seconds.values()) if sealed.stages else None
    seconds = {"challenger": given.challenger.seconds}
    if given.champion and given.champion.scored:
        seconds["champion"] = given.champion.scored.seconds
    size = {"challenger": sealed.model.size}
    if given.champion and given.champion.size is not None:
        size["champion"] = given.champion.size
    return Measurements(
        version=1,
        platform=sealed.platform,
        build_seconds=sealed.seconds,
        score_seconds=seconds,
        model_bytes=size,
        timings=timings,
        cost=None if evidence is None or took is None else cost(took, evidence.policy.budgets),
        checks=[]
        if evidence is None
        else judged(evidence.policy.budgets, timings, took, evidence.overrides, sealed.model.sha256),
    )


def _train_rows(candidate: Path, sealed: Candidate) -> Path | None:
    """The rows that the model was trained on, where the pipeline keeps them as everybody's does."""
    entry = next((one for one in sealed.objects if one.path == TRAIN), None)
    return None if entry is None else object_path(candidate, entry.md5)


def _evaluation(source: Source, sealed: Candidate) -> Evaluation:
    evaluation = source.report(EVALUATION, Evaluation)
    if evaluation.model_sha256 != sealed.model.sha256:
        raise Forged(
            f"{EVALUATION} is of model {evaluation.model_sha256[:12]}, the candidate's is {sealed.model.sha256[:12]}. "
            "Evaluate this one: dvc repro"
        )
    return evaluation


def _overrides(source: Source) -> OverridesFile:
    if not (source.head / OVERRIDES).exists() and not (source.head / OVERRIDES).is_symlink():
        return OverridesFile(version=1)
    return OverridesFile.parse(source.yaml(OVERRIDES), OVERRIDES)


class _Rows(NamedTuple):
    truth: pd.Series
    groups: pd.Series | None
    columns: pd.DataFrame
    ids: pd.Series | None


def _rows(file: Path, schema: SchemaFile, policy: PolicyFile) -> _Rows:
    """The target of the test rows, their groups where schema.yaml declares some, and what else the policy looks at."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    group, id_ = schema.one("group"), schema.one("id")
    wanted = [schema.target] if group is None else [schema.target, group]
    named = [*(entry.column for entry in policy.slices), *policy.fairness.attributes]
    try:
        parquet = pq.ParquetFile(file)
        there = parquet.schema_arrow
        missing = [name for name in wanted if name not in there.names]
        if missing:
            raise Forged(f"the test rows have no column {missing[0]!r}, which {SCHEMA} names. {AGAIN}")
        # What the policy of the base names, a pull request may have renamed: the check says so.
        looked = [name for name in dict.fromkeys(named) if _plain_values(there, name)]
        known = id_ is not None and _plain_values(there, id_)
        table = parquet.read(
            columns=list(dict.fromkeys([*wanted, *looked, *([id_] if id_ and known else [])]))
        )
    except (pa.ArrowException, OSError) as wrong:
        raise Forged(f"the test rows are not Parquet: {wrong}") from None
    if not table.num_rows or table[schema.target].null_count:
        raise Forged(
            "the test rows are none, or some have no target. prepare must leave such rows out: dvc repro"
        )
    frame = table.to_pandas(ignore_metadata=True)
    return _Rows(
        frame[schema.target],
        None if group is None else frame[group],
        frame[looked],
        frame[id_] if id_ and known else None,
    )


def _plain_values(schema: Any, name: str) -> bool:
    """Whether the column is there, and holds one number, text, date or truth value per row."""
    import pyarrow as pa

    if name not in schema.names or schema.names.count(name) > 1:
        return False
    kind = schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return not pa.types.is_nested(kind)
