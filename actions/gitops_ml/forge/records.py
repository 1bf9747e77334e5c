"""Answers for what of GitHub's answers we use: pull requests, statuses and reviews, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GHOST = "ghost"  # whom GitHub names where an account is gone


@dataclass(frozen=True)
class Pull:
    """A pull request. ``mergeable`` is None while GitHub has not worked it out; lists never say it."""

    number: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    author: str
    fork: bool
    state: str
    merged: bool
    title: str
    body: str
    url: str
    mergeable: bool | None
    merge_commit: str | None  # the commit on the base branch; None until it is merged
    labels: tuple[str, ...] = ()
    closed_at: str | None = None  # when it was closed, or merged; ISO 8601

    @classmethod
    def of(cls, data: dict[str, Any]) -> Pull:
        head, base = data["head"], data["base"]
        # The fork may have been deleted since: then there is no repository behind the head.
        source = (head.get("repo") or {}).get("full_name")
        merged = bool(data.get("merged") or data.get("merged_at"))
        return cls(
            number=data["number"],
            head_ref=head["ref"],
            head_sha=head["sha"],
            base_ref=base["ref"],
            base_sha=base["sha"],
            author=login(data),
            fork=source != (base.get("repo") or {}).get("full_name"),
            state=data["state"],
            merged=merged,
            title=data.get("title") or "",
            body=data.get("body") or "",
            url=data["html_url"],
            mergeable=data.get("mergeable"),
            merge_commit=data.get("merge_commit_sha") if merged else None,
            labels=names(data),
            closed_at=data.get("closed_at"),
        )


@dataclass(frozen=True)
class Status:
    """A commit status; ``creator_type`` is "User" or "Bot"."""

    context: str
    state: str
    description: str
    creator: str
    creator_type: str
    url: str

    @classmethod
    def of(cls, data: dict[str, Any]) -> Status:
        creator = data.get("creator") or {}
        return cls(
            context=data["context"],
            state=data["state"],
            description=data.get("description") or "",
            creator=creator.get("login") or GHOST,
            creator_type=creator.get("type") or "User",
            url=data.get("target_url") or "",
        )


@dataclass(frozen=True)
class Review:
    """A review of a pull request: APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING, of one commit."""

    user: str
    state: str
    commit: str

    @classmethod
    def of(cls, data: dict[str, Any]) -> Review:
        return cls(login(data), data["state"], data.get("commit_id") or "")


def login(data: dict[str, Any]) -> str:
    """Who wrote it."""
    return (data.get("user") or {}).get("login") or GHOST


def names(data: dict[str, Any]) -> tuple[str, ...]:
    """The names of its labels."""
    return tuple(label["name"] for label in data.get("labels") or ())
