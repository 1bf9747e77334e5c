"""All checks, one after the other; a fault in one is said, and keeps no other from looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gitops_ml.audit import overrides, pointers, projections, upkeep, versions
from gitops_ml.audit.said import Audit, Finding, Look, Note, Said
from gitops_ml.audit.scene import Scene
from gitops_ml.errors import Fault


@dataclass(frozen=True)
class Check:
    """One check. ``title``: what agrees when it finds nothing. ``forge``: whether git alone does not answer it."""

    key: str
    title: str
    look: Callable[[Scene], Iterator[Said]]
    forge: bool = False


CHECKS = (
    Check("pointer", "pointers", pointers.pointers),
    Check("environment", "environments", pointers.environments),
    Check("retired", "retired versions", pointers.retired),
    Check("override", "overrides", overrides.overrides),
    Check("stage-tag", "stage tags", projections.stage_tags),
    Check("deployment", "deployments", projections.deployments, forge=True),
    Check("alias", "aliases in MLflow", projections.aliases),
    Check("tag", "version tags", versions.tags),
    Check("release", "GitHub releases", versions.releases, forge=True),
    Check("storage", "stored bytes", versions.stored),
    Check("built", "main's lock", versions.built, forge=True),
    Check("drift", "drift's schedule", upkeep.drift),
    Check("rule", "the rule on main", upkeep.rule, forge=True),
    Check("standing", "standing pull requests", upkeep.standing, forge=True),
    Check("schedule", "workflows", upkeep.schedules, forge=True),
)


def audit(scene: Scene) -> Audit:
    """Look at everything. Raises nothing that one check's fault could cause: it stands in the answer."""
    return Audit(scene.model, scene.main, [_looked(scene, check) for check in CHECKS], scene.stale)


def _looked(scene: Scene, check: Check) -> Look:
    if check.forge and scene.forge is None:
        return Look(check.key, check.title, passed=scene.no_forge or "no token")
    findings: list[Finding] = []
    notes: list[Note] = []
    passed = failed = ""
    try:
        for said in check.look(scene):
            if isinstance(said, Finding):
                findings.append(said)
            elif isinstance(said, Note):
                notes.append(said)
            else:
                passed = said.why
    except Fault as fault:
        failed = str(fault).strip()
    return Look(check.key, check.title, findings, notes, passed, failed)
