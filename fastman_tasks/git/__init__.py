"""What git knows about the project's files; nothing without git or a repository."""

from __future__ import annotations

from fastman_tasks.git.branches import (
    BranchFile,
    Head,
    SharedBranches,
    branches_with_revision,
    current_branch,
    describe_head,
    find_revisions,
    revisions_in,
    shared_branches,
    short_name,
    uncommitted,
)
from fastman_tasks.git.repository import Repository

__all__ = [
    "BranchFile",
    "Head",
    "Repository",
    "SharedBranches",
    "branches_with_revision",
    "current_branch",
    "describe_head",
    "find_revisions",
    "revisions_in",
    "shared_branches",
    "short_name",
    "uncommitted",
]
