"""Which objects of a file are of our kinds, and which were probably meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api import (
    API_VERSION,
    GROUP,
    ClusterModelTemplate,
    ModelInstance,
    ModelTemplate,
)
from model_operator.core.offline.findings import Severity
from model_operator.core.offline.stored_form import RESOURCES
from model_operator.core.values.hints import closest, did_you_mean
from model_operator.core.values.violations import Violation
from model_operator.core.values.words import alternatives

_USUAL = [ModelTemplate, ClusterModelTemplate, ModelInstance]
OUR_KINDS: Final = f"{alternatives([each.__name__ for each in _USUAL])} of {API_VERSION}"
"""The kinds that people write and their version, for messages."""
_MAX_COMPARED: Final = 64
_NEAR_GROUP: Final = 0.6
_NEAR_KIND: Final = 0.8
_MENTION: Final = re.compile(
    rf"{re.escape(GROUP)}"
    r"|\bkind[\"']?\s*:\s*[\"']?(?:Cluster)?Model(?:Template|Instance)"
    r"|\bapiVersion[\"']?\s*:\s*[\"']?[\w.-]*model-?operator",
    re.IGNORECASE,
)
_NAMESPACE: Final = re.compile(r"^[ \t{-]*[\"']?kind[\"']?\s*:\s*[\"']?Namespace\b", re.MULTILINE)


def mentions_us(text: str) -> bool:
    """Whether a file may hold objects of ours, also with a mistyped group."""
    return GROUP in text or _MENTION.search(text) is not None


def mentions_a_namespace(text: str) -> bool:
    """Whether a file may define a Namespace, whose labels decide which templates are shared with it."""
    return _NAMESPACE.search(text) is not None


def is_ours(obj: Mapping[str, Any]) -> bool:
    """Whether the group of an object is ours; version and kind may not exist."""
    return _group(obj) == GROUP


def type_faults(obj: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what is wrong with version and kind of an object of our group."""
    if obj["apiVersion"] != API_VERSION:
        message = f"must be {API_VERSION}, got another version of {GROUP}"
        yield Violation(("apiVersion",), message, "enum")
    kind = obj.get("kind")
    if not isinstance(kind, str) or kind not in RESOURCES:
        hint = did_you_mean(kind, RESOURCES)
        yield Violation(("kind",), f"must be one of {', '.join(RESOURCES)}, got another kind{hint}", "enum")


def mistaken_group(obj: Mapping[str, Any]) -> tuple[Violation, Severity] | None:
    """Return what is wrong with an object of another group that was probably meant to be ours.

    It is an error if both group and kind are similar to ours, and a warning if one is: another product may
    have a kind of the same name.

    Parameters
    ----------
    obj
        An object whose group is not ours.
    """
    group, kind = _group(obj), str(obj.get("kind") or "")[:_MAX_COMPARED]
    has_kind = any(kind.lower() == ours.lower() for ours in RESOURCES)
    near_kind = has_kind or bool(closest(kind, RESOURCES, _NEAR_KIND))
    near_group = _is_near(group)
    if not has_kind and not (near_group and near_kind):
        return None
    if not obj.get("apiVersion"):
        message, code = f"required field is missing; write apiVersion: {API_VERSION}", "missing"
    else:
        got = "another group" if group else "a version without a group"
        message, code = f"must be {API_VERSION}, got {got}; did you mean {GROUP}?", "enum"
    # Kubernetes' own group, which is empty, has no kind of these names.
    if near_group or not group:
        return Violation(("apiVersion",), message, code), Severity.ERROR
    message = f"the object was not checked, as its group is not {GROUP}; did you mean {GROUP}?"
    return Violation(("apiVersion",), message, "other_group"), Severity.WARNING


def _group(obj: Mapping[str, Any]) -> str:
    version = str(obj.get("apiVersion") or "")
    group, slash, _ = version.partition("/")
    return group if slash or _is_near(group) else ""


def _is_near(group: str) -> bool:
    return bool(closest(group, [GROUP], _NEAR_GROUP))
