"""Answers for the rule on the default branch: what it must demand at least, and whether one that exists demands it."""

from __future__ import annotations

from typing import Any

from gitops_ml.forge.client import CONTEXT

Data = dict[str, Any]
NAME = "gitops-ml"
COVERS = ("~DEFAULT_BRANCH", "~ALL", "refs/heads/main")
REVIEW = {
    "required_approving_review_count": 0,  # nobody can review their own pull request: alone, one would wait for ever
    "dismiss_stale_reviews_on_push": False,
    "require_code_owner_review": False,
    "require_last_push_approval": False,
    "required_review_thread_resolution": False,
}
CHECK = {"context": CONTEXT}


def wanted() -> Data:
    """Pull requests only, with the one status, up to date with the branch; no force-push, no deletion."""
    return {
        "name": NAME,
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}},
        "rules": [
            {"type": "deletion"},
            {"type": "non_fast_forward"},
            {"type": "pull_request", "parameters": dict(REVIEW)},
            {
                "type": "required_status_checks",
                "parameters": {
                    "strict_required_status_checks_policy": True,
                    "required_status_checks": [dict(CHECK)],
                },
            },
        ],
    }


def lacking(there: Data) -> list[str]:
    """What a ruleset does not demand of all that is wanted, in words. What it demands beyond that is the team's own."""
    rules = {rule["type"]: rule.get("parameters") or {} for rule in there.get("rules") or []}
    names = (there.get("conditions") or {}).get("ref_name") or {}
    status = rules.get("required_status_checks", {})
    contexts = [check.get("context") for check in status.get("required_status_checks") or []]
    found = {
        "it is not active": there.get("enforcement") != "active",
        "it does not cover the default branch": not set(names.get("include") or []) & set(COVERS)
        or bool(set(names.get("exclude") or []) & set(COVERS)),
        "the status gitops-ml is not required": CONTEXT not in contexts,
        "a branch need not be up to date": not status.get("strict_required_status_checks_policy"),
        "pull requests are not required": "pull_request" not in rules,
        "force-pushes are allowed": "non_fast_forward" not in rules,
        "deletion is allowed": "deletion" not in rules,
    }
    return [words for words, lacks in found.items() if lacks]


def mended(there: Data) -> Data:
    """The ruleset with what it lacks, and with everything that it demands beyond that."""
    ours = wanted()
    rules = {rule["type"]: rule for rule in there.get("rules") or []}
    for rule in ours["rules"]:
        rules.setdefault(rule["type"], rule)
    status = dict(rules["required_status_checks"].get("parameters") or {})
    checks = list(status.get("required_status_checks") or [])
    if CONTEXT not in [check.get("context") for check in checks]:
        checks.append(dict(CHECK))
    status |= {"required_status_checks": checks, "strict_required_status_checks_policy": True}
    rules["required_status_checks"] = {"type": "required_status_checks", "parameters": status}
    names = (there.get("conditions") or {}).get("ref_name") or {}
    include = list(names.get("include") or [])
    if not set(include) & set(COVERS):
        include.append("~DEFAULT_BRANCH")
    exclude = [name for name in names.get("exclude") or [] if name not in COVERS]
    kept = {"bypass_actors": there["bypass_actors"]} if "bypass_actors" in there else {}
    return {
        **ours,
        **kept,
        "conditions": {"ref_name": {"include": include, "exclude": exclude}},
        "rules": list(rules.values()),
    }
