"""With which namespaces a template is shared, by its ``allowed_namespaces``.

That is no part of a revision: it is always read from the template as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from model_operator.api import (
    AllowedNamespaces,
    LabelRequirement,
    LabelSelector,
    NamespacesFrom,
    SelectorOperator,
)

_FIELD = "allowed_namespaces"


class Sharing(Enum):
    """Whether a template is shared with a namespace."""

    SHARED = "shared"
    NOT_SHARED = "not shared"
    UNKNOWN = "unknown"
    """What decides cannot be read: labels of the namespace, or the specification of the template."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The namespaces with which one template is shared.

    Attributes
    ----------
    owner
        Namespace of the template; empty for a ClusterModelTemplate.
    allowed
        Its field ``allowed_namespaces``; None without it.
    is_unread
        Whether the field cannot be read, as the whole specification is too large or the field is malformed.
    """

    owner: str
    allowed: AllowedNamespaces | None = None
    is_unread: bool = False

    @property
    def is_default(self) -> bool:
        """Whether the template does not have the field: it is shared with its own namespace, or with all."""
        return self.allowed is None and not self.is_unread

    @property
    def selector(self) -> LabelSelector | None:
        """The selector of labels of namespaces, if the template has one."""
        return None if self.allowed is None else self.allowed.selector

    def covers(self, namespace: str, labels: Mapping[str, str] | None) -> Sharing:
        """Return whether the instances of a namespace may use the template.

        Parameters
        ----------
        namespace
            The namespace of an instance.
        labels
            Labels of that namespace; None where they are not known. Used only with `selector`.
        """
        if self.owner == namespace:
            return Sharing.SHARED
        if self.is_unread:
            return Sharing.UNKNOWN
        allowed = self.allowed
        if allowed is None:
            # Of a ClusterModelTemplate, the default is All.
            return Sharing.NOT_SHARED if self.owner else Sharing.SHARED
        if allowed.from_ is not NamespacesFrom.SELECTED:
            return Sharing.SHARED if allowed.from_ is NamespacesFrom.ALL else Sharing.NOT_SHARED
        if allowed.names and _expression(tuple(allowed.names)).match(namespace) is not None:
            return Sharing.SHARED
        if allowed.selector is None:
            return Sharing.NOT_SHARED
        if labels is None:
            return Sharing.UNKNOWN
        return Sharing.SHARED if _selects(allowed.selector, labels) else Sharing.NOT_SHARED

    def withdraws(self, sharing: Sharing) -> bool:
        """Return whether an instance that is bound to the template gets no more of it.

        Not if the field cannot be read: that changes nothing, and its instances stay at the last revision
        that can.
        """
        return sharing is not Sharing.SHARED and not self.is_unread


UNREAD: Final = Grant("", is_unread=True)
"""The grant of what is no template as it is now, such as a revision: it shares nothing."""


def grant_of(template: Mapping[str, Any]) -> Grant:
    """Return the namespaces with which a template is shared; never raises, whatever its specification is.

    Parameters
    ----------
    template
        A ModelTemplate or ClusterModelTemplate as the API server has it, or as it is cached.
    """
    owner, spec = template["metadata"].get("namespace") or "", template.get("spec")
    if not isinstance(spec, Mapping):
        return Grant(owner, is_unread=True)
    written = spec.get(_FIELD)
    if written is None:
        return Grant(owner)
    try:
        return Grant(owner, AllowedNamespaces.model_validate(written))
    except ValidationError:
        return Grant(owner, is_unread=True)


def _selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Return whether labels meet all requirements of a selector; one without any selects nothing."""
    wanted, requirements = selector.matchLabels or {}, selector.matchExpressions or ()
    if not wanted and not requirements:
        return False
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(each, labels) for each in requirements
    )


def _meets(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case SelectorOperator.IN:
            return value is not None and value in (requirement.values or ())
        case SelectorOperator.NOT_IN:
            return value is None or value not in (requirement.values or ())
        case SelectorOperator.EXISTS:
            return value is not None
        case SelectorOperator.DOES_NOT_EXIST:
            return value is None


@lru_cache(maxsize=1024)
def _expression(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return the expression for any of the patterns of a template, which has many instances."""
    return re.compile("|".join(map(translate, patterns)))
