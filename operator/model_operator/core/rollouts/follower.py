"""An instance as the roll-out of its template sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class FollowerKey(NamedTuple):
    """Namespace and name of an instance."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Follower:
    """An instance that is not pinned.

    Attributes
    ----------
    key
        Its namespace and name.
    revision
        Hash of the revision that it runs: that of its status, or the new one as soon as one of its
        Deployments has it; empty before it has got any.
    labels
        Its labels.
    follows_stable
        Whether it follows the stable revision, not the latest.
    is_ready, is_stalled
        Its conditions, if its status is about its current generation and `revision`; both false otherwise.
    has_workers
        Whether it is to have any worker; one that is scaled to zero proves nothing. An instance whose workers
        cannot be created is to have them.
    is_new
        Whether it was created after the roll-out began.
    arrived_at
        Time since which it has been Ready at `revision`; None if it is not, or where that is unknown.
    is_granted
        Whether it may get the revision that rolls out now, and has not got it yet.
    failing_since
        Time since which it has not been Ready, if the reason is one that needs an action, as a crash loop
        does; None otherwise. Such an instance need not be Stalled: that is about its own roll-out.
    has_own_fault
        Whether it is Stalled by what its specification alone says: one of its deployments names a revision
        that does not exist. That is no failure of any revision.
    can_move
        Whether it can get another revision than it has; one whose spec is too large to be read cannot.
    permanent_since
        Since when it has failed at its revision for a cause that no waiting resolves; None if it does not.
    is_edited
        Whether its own specification has changed since it was last Ready at its revision.
    """

    key: FollowerKey
    revision: str
    labels: Mapping[str, str]
    follows_stable: bool = False
    is_ready: bool = False
    is_stalled: bool = False
    has_workers: bool = True
    is_new: bool = False
    arrived_at: datetime | None = None
    is_granted: bool = False
    failing_since: datetime | None = None
    has_own_fault: bool = False
    can_move: bool = True
    permanent_since: datetime | None = None
    is_edited: bool = False

    @property
    def has_broken_itself(self) -> bool:
        """Whether it fails since an edit of its own: it was Ready at its revision before that."""
        return self.is_edited and (self.is_stalled or self.permanent_since is not None)
