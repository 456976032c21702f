"""The labels of namespaces, by which templates may be shared: known only once a template selects by them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

Labels = Mapping[str, str]


class Knowledge(Enum):
    """What is known of the labels of namespaces."""

    UNUSED = "no template selects by them"
    AWAITED = "they are about to be read"
    KNOWN = "all are known"
    FORBIDDEN = "the operator may not list and watch namespaces"


class NamespaceLabels:
    """The labels of all namespaces.

    Attributes
    ----------
    knowledge
        What is known.
    changes
        Number of changes of labels so far.
    """

    def __init__(self) -> None:
        self.knowledge = Knowledge.UNUSED
        self.changes = 0
        self._labels: dict[str, Labels] = {}
        self._selecting: set[str] = set()

    @property
    def selecting(self) -> frozenset[str]:
        """The uids of the templates that select by labels."""
        return frozenset(self._selecting)

    @property
    def is_awaited(self) -> bool:
        """Whether the labels are about to be read: until then, nothing that depends on them is decided."""
        return self.knowledge is Knowledge.AWAITED

    def note(self, uid: str, *, selects: bool) -> bool:
        """Note whether a template selects by labels; return whether it is the first one that does.

        Parameters
        ----------
        uid
            ``metadata.uid`` of the template.
        selects
            Whether it selects by labels; no for one that was deleted.
        """
        if not selects:
            self._selecting.discard(uid)
            return False
        self._selecting.add(uid)
        if self.knowledge is not Knowledge.UNUSED:
            return False
        self.knowledge = Knowledge.AWAITED
        return True

    def of(self, namespace: str) -> Labels | None:
        """Return the labels of a namespace; None where they are not known."""
        return self._labels.get(namespace) if self.knowledge is Knowledge.KNOWN else None

    def put(self, namespace: str, labels: Labels | None) -> Labels | None:
        """Set the labels of a namespace, None for a deleted one; return those that it had."""
        before = self._labels.get(namespace)
        self.changes += before != labels
        if labels is None:
            self._labels.pop(namespace, None)
        else:
            self._labels[namespace] = labels
        return before

    def forget(self, knowledge: Knowledge) -> None:
        """Drop all labels, for the reason that is given."""
        self._labels.clear()
        self.changes += 1
        self.knowledge = knowledge
