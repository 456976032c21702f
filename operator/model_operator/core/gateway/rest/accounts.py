"""Accounts of the platform and the namespaces that they stand for.

An account is a namespace of that name, or else the namespaces whose label ``modeloperator.dev/account-id``
has it as its value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from model_operator.api.meta import GROUP
from model_operator.core.gateway.rest.template_answers import EVERY_ACCOUNT

ACCOUNT_LABEL: Final = f"{GROUP}/account-id"

_NONE: Final = frozenset[str]()


class Accounts:
    """The namespaces of the cluster by account; empty where the gateway may not read namespaces."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._labelled: defaultdict[str, set[str]] = defaultdict(set)

    def __contains__(self, namespace: object) -> bool:
        return namespace in self._labels

    def put(self, namespace: Mapping[str, Any]) -> None:
        """Take the newest version of a namespace."""
        metadata = namespace["metadata"]
        name = metadata["name"]
        self.remove(name)
        label = (metadata.get("labels") or {}).get(ACCOUNT_LABEL) or ""
        self._labels[name] = label
        if label:
            self._labelled[label].add(name)

    def remove(self, name: str) -> None:
        """Forget a namespace."""
        label = self._labels.pop(name, "")
        if label:
            named = self._labelled[label]
            named.discard(name)
            if not named:
                del self._labelled[label]

    def namespaces_of(self, account: str) -> frozenset[str]:
        """Return the namespace of that name, else those with the label; none for an unknown account."""
        if account in self._labels:
            return frozenset((account,))
        return frozenset(self._labelled[account]) if account in self._labelled else _NONE

    def account_of(self, namespace: str, stated: str | None = None) -> str:
        """Return the account of an object.

        Parameters
        ----------
        namespace
            Its namespace; empty for an object of the cluster.
        stated
            Its ``spec.account_id``, which comes first.
        """
        if stated:
            return stated
        return self._labels.get(namespace) or namespace or EVERY_ACCOUNT

    def matches(self, account: str, namespace: str, stated: str | None = None) -> bool:
        """Return whether an object is one of an account: by namespace, by label, or as its answer says."""
        if not namespace:
            return True
        return account in {namespace, self._labels.get(namespace), self.account_of(namespace, stated)}
