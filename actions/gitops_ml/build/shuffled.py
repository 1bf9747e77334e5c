"""Trains the candidate's recipe on a shuffled target, in a throw-away copy of its commit, and lets it predict the test rows.

Such a model has nothing to learn. One that predicts all the same was told the answer elsewhere: by the raw table, by
the test rows, by an encoding that was fitted on all of them. The gate judges that (:mod:`gitops_ml.gate.leakage`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.build.environment import last_lines, scrubbed
from gitops_ml.build.held_out import TRAIN
from gitops_ml.build.seal import object_path, sha256_of
from gitops_ml.build.unpack import place
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Scored, Shuffled
from gitops_ml.errors import Fault
from gitops_ml.rows.shuffles import shuffle, shuffles

Predict = Callable[..., Scored]
"""model, its sha256, output=where its predictions go -> what the manifest says of them"""
Execute = Callable[[list[str], Path, dict[str, str], float], tuple[int, str, float]]


@dataclass(frozen=True)
class Asked:
    """What policy.yaml asks for."""

    seed: int
    runs: int


def asked(base: Path, head: str) -> Asked | None:
    """By the policy that judges. ``base``: a checkout of the base branch. ``head``: the commit that was built.

    Where that is the base's own commit, it is judged for a release, by the policy before it, or as a fresh start, by
    the one that stands there: what one of the two asks for is done.
    """
    from gitops_ml.delivery import tree
    from gitops_ml.delivery.judgement import policy_revision

    here = tree.commit_of(base, "HEAD")
    revisions = [policy_revision(base, here), here] if here == head else [here]
    said = [tree.plain(base, revision, "policy.yaml") for revision in dict.fromkeys(revisions)]
    rules = [PolicyFile.parse(one, "policy.yaml") for one in said if one is not None]
    asking = [one for one in rules if one.leakage.shuffled_target]
    if not asking:
        return None
    return Asked(asking[0].leakage.seed, max(shuffles(one.quality.level) for one in asking))


def shuffled(
    want: Asked | None,
    candidate: Path,
    sealed: Candidate,
    head: Path,
    desk: Path,
    out: Path,
    python: str,
    predict: Predict,
    execute: Execute,
    seconds: float,
) -> Shuffled | None:
    """Train and predict ``want.runs`` times; what keeps it from that is written down, for the judge to weigh."""
    if want is None:
        return None
    done: list[Scored] = []
    try:
        copy = desk / "shuffled"
        stage = _copied(candidate, sealed, head, copy)
        commands = stage.cmd if isinstance(stage.cmd, list) else [stage.cmd]
        model = copy / sealed.model.path
        for number in range(want.runs):
            _shuffle(candidate, sealed, copy, want.seed, number)
            for path in stage.outs:
                (copy / path).unlink(missing_ok=True)
            for command in commands:
                code, words, _ = execute(["/bin/sh", "-c", str(command)], copy, scrubbed(python), seconds)
                if code:
                    raise Fault(
                        f"training on a shuffled target ended with status {code}:\n{last_lines(words, 6)}"
                    )
            if not model.is_file() or model.is_symlink():
                raise Fault(f"training on a shuffled target wrote no {sealed.model.path}.")
            done.append(predict(model, sha256_of(model), output=out / f"shuffled-{number + 1}.parquet"))
    except (Fault, OSError) as wrong:
        return Shuffled(seed=want.seed, scored=done, error=last_lines(str(wrong), 8)[:2000])
    return Shuffled(seed=want.seed, scored=done, error=None)


def _copied(candidate: Path, sealed: Candidate, head: Path, copy: Path) -> locks.Entry:
    """Git's files of the commit, and the candidate's over them; the stage that makes the model. Raises :class:`Fault`."""
    for path in filter(None, shell.git(head, "ls-files", "-z").split("\0")):
        source, target = head / path, copy / path
        if not source.is_symlink() and not source.is_file():
            continue  # removed, or another repository in it
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    place(copy, candidate, sha256_of(candidate / "manifest.json"))
    stage = next((one for one in locks.read(copy).values() if sealed.model.path in one.outs), None)
    if stage is None or not stage.cmd:
        raise Fault(f"no stage of dvc.lock makes {sealed.model.path}, so nothing can be trained again.")
    if TRAIN not in stage.deps:
        raise Fault(
            f"the stage that makes {sealed.model.path} does not read {TRAIN}: its target cannot be shuffled."
        )
    return stage


def _shuffle(candidate: Path, sealed: Candidate, copy: Path, seed: int, number: int) -> None:
    """Write the training rows with the targets of other rows. Raises :class:`Fault`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    entry = next((one for one in sealed.objects if one.path == TRAIN), None)
    target = SchemaFile.read(copy / "schema.yaml").target
    if entry is None:
        raise Fault(f"the candidate holds no {TRAIN}: its target cannot be shuffled.")
    try:
        table = pq.read_table(object_path(candidate, entry.md5))
        column = table.column(target)
    except (pa.ArrowException, OSError, KeyError) as wrong:
        raise Fault(f"{TRAIN} holds no target that could be shuffled: {wrong}") from None
    order = pa.array(shuffle(table.num_rows, seed, number))
    place_ = table.schema.get_field_index(target)
    pq.write_table(table.set_column(place_, table.schema.field(place_), column.take(order)), copy / TRAIN)
