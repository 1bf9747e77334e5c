"""DVC's bytes: in refs of the same git repository, which a plain clone does not fetch, or in an object store."""

from gitops_ml.storage.objects import Named
from gitops_ml.storage.pruning import delete_ref, list_refs
from gitops_ml.storage.pulling import needed, pull
from gitops_ml.storage.pushing import copy, push
from gitops_ml.storage.remote import kind
from gitops_ml.storage.report import Loss, Report
from gitops_ml.storage.verifying import verify

__all__ = [
    "Loss",
    "Named",
    "Report",
    "copy",
    "delete_ref",
    "kind",
    "list_refs",
    "needed",
    "pull",
    "push",
    "verify",
]
