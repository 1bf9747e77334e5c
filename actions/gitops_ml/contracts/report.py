"""report.json: the story of the comment as data, and the counts that the page draws. Written beside the verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.evaluation import Kind, Picture
from gitops_ml.contracts.training import Scalar
from gitops_ml.contracts.verdict import Measurements, Overall, Severity, Verdict


class Reason(Contract):
    """A check that stops the model, or would have: what is wrong in a few words, and the figures."""

    check: str = Field(description="Its id in the verdict")
    severity: Severity = Field(description="What its failure means")
    title: str = Field(description="What is wrong")
    text: str = Field(description="The figures")
    override: str | None = Field(
        description="Why it was accepted all the same, and by whom; null: it was not"
    )


class Figures(Contract):
    """The table of the comment, as words."""

    head: list[str] = Field(description="Titles of the columns")
    rows: list[list[str]] = Field(description="Cells, in the order of the head")
    checks: list[str] = Field(description="Ids of the checks that the first rows show, in their order")


class Moved(Contract):
    """A column, or a share of the target, that moved between the base's profile and this one."""

    column: str = Field(description="Its name")
    kind: Literal["mean", "share", "empty", "type"] = Field(description="What moved")
    value: str = Field(description="Which category, where kind is share; else empty")
    old: str | float = Field(description="At the base")
    new: str | float = Field(description="In the pull request")
    size: float | None = Field(
        description="Old standard deviations, or share of the rows; null: another type, which no number measures"
    )


class DataChange(Contract):
    """What the two profiles tell apart."""

    rows: int = Field(description="Rows more than before; negative: fewer")
    old_rows: int = Field(ge=0, description="Rows at the base; 0: the first data")
    added: list[str] = Field(description="Columns that are new")
    removed: list[str] = Field(description="Columns that are no more")
    moves: list[Moved] = Field(description="Columns that moved, the biggest move first")
    balance: list[Moved] = Field(description="How the target's classes, or its mean, moved")
    overlap: int = Field(description="Test rows more than before that equal a training row")


class Param(Contract):
    """A knob of params.yaml. Values are JSON texts; empty: it was not there, or is no more."""

    key: str = Field(description="With dots")
    old: str = Field(description="At the base")
    new: str = Field(description="In the pull request")


class Changed(Contract):
    """What the pull request changes."""

    text: str = Field(description="In one sentence; empty: nothing is known")
    data: DataChange | None = Field(description="Null: not known, or no data changes")
    params: list[Param] = Field(description="By key")
    files: list[str] = Field(description="That people wrote")


class Release(Contract):
    """What a merge would release."""

    version: str = Field(description="Such as v1.0.1")
    why: str = Field(description="Why it is that one")


class Next(Contract):
    """What comes next, and for whom."""

    text: str = Field(description="In words")
    overrides: str = Field(description="Lines for overrides.yaml, to be argued; empty: none would help")


class Counts(Contract):
    """Test rows by what a threshold makes of them, one entry for each threshold."""

    tp: list[int] = Field(description="Positive, and called so")
    fp: list[int] = Field(description="Negative, and called positive")
    tn: list[int] = Field(description="Negative, and called so")
    fn: list[int] = Field(description="Positive, and called negative")


class Gap(Contract):
    """Rows of neighbouring scores: what was promised, and what came."""

    n: int = Field(ge=1, description="Test rows")
    predicted: float = Field(description="Mean score")
    observed: float = Field(description="Share that turned out so")


class Look(Contract):
    """One model on the test rows, as counts."""

    counts: Counts | None = Field(description="Of two classes, by threshold; else null")
    calibration: list[Gap] = Field(description="Ten bins of equal size, by score; empty for a regression")
    confusion: list[list[int]] = Field(
        description="Row: true class, column: predicted one; empty for a regression, and beyond 12 classes"
    )
    errors: list[int] = Field(
        description="Regression: rows by error (predicted minus true), one per bin of error_edges; else empty"
    )


class Flip(Contract):
    """A test row whose predicted class is another than the champion's. Scores are those of the predicted classes."""

    row: Scalar = Field(description="The id column's value; else the row's number in the gate's own order")
    truth: Scalar = Field(description="The true class")
    champion: Scalar = Field(description="What the champion predicts")
    champion_score: float | None = Field(description="How sure it is")
    challenger: Scalar = Field(description="What this model predicts")
    challenger_score: float | None = Field(description="How sure it is")


class Looks(Contract):
    """Both models on the same test rows. Counts, and the flips of which both were surest; no other row."""

    task: Kind = Field(description="What kind of prediction")
    n: int = Field(ge=1, description="Test rows")
    positive: Scalar | None = Field(
        description="The class whose score the threshold is held against, or null"
    )
    classes: list[Scalar] = Field(description="In the order of confusion; empty for a regression")
    thresholds: list[float] = Field(
        description="0 to 1 in steps of 0.01; a row is called positive from there on"
    )
    error_edges: list[float] = Field(description="Ends of the bins of errors, one more than bins")
    challenger: Look = Field(description="This model")
    champion: Look | None = Field(description="Null: none, or it could not be scored")
    flips: list[Flip] = Field(description="The surest first, at most 100")


class Stopped(Contract):
    """A job that failed beside the judgement, such as check."""

    stage: str = Field(description="Which")
    what: str = Field(description="What is wrong")
    reason: str = Field(description="Its last words")
    command: str = Field(description="How to try it on a laptop")


class Report(Contract):
    """report.json. Texts are plain: whoever shows them escapes them."""

    version: Literal[1] = Field(description="Of this layout")
    overall: Overall = Field(description="Of the run: the verdict's, or block where another job failed")
    heading: str = Field(description="Verdict and its reason, with its sign")
    lead: str = Field(description="The sentence or two that explain it")
    banner: str = Field(description="Files that change how pull requests are judged; empty: none")
    overridden: list[Reason] = Field(description="What a person answered for")
    reasons: list[Reason] = Field(description="What stands in the way, the worst first")
    notes: list[str] = Field(description="What is said and stops nothing")
    figures: Figures = Field(description="Both models")
    changed: Changed = Field(description="What the pull request changes")
    flips: str = Field(description="How many predictions change; empty: nothing was compared")
    built: str = Field(description="Which lock, rules and suite")
    release: Release | None = Field(description="What a merge would release; null: nothing")
    next: Next = Field(description="What to do")
    stopped: Stopped | None = Field(description="A job that failed beside the judgement; null: none")
    pictures: list[Picture] = Field(description="Of the commit `head`")
    head: str = Field(
        pattern=r"^([0-9a-f]{40})?$", description="The commit that holds the model; empty: not made yet"
    )
    run: str = Field(description="Address of the run; empty: a laptop")
    verdict: Verdict = Field(description="verdict.json, and the checks of what clocks measured")
    digest: str = Field(description="Of the verdict: who computes it again gets the same")
    measurements: Measurements | None = Field(description="What clocks said")
    looks: Looks | None = Field(description="Counts for the page; null: scores are no finite numbers")
