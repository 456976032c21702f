"""The fields in which the kubelet expands ``$(VAR)`` again, and how values stay as they are there.

The kubelet follows ``k8s.io/kubernetes/third_party/forked/golang/expansion``: ``$$`` is an escape for ``$``.
So every ``$`` of a value that is put into such a field is doubled, and the container gets the exact value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from model_operator.core.templates.pod_paths import CONTAINER_LISTS, PROBES

_EXPRESSION: Final = re.compile(r"\$\$|\$\(([^)]*)\)")
_MAX_EXPANDED: Final = 4096
"""Maximum number of characters that variables add to a text: each can hold twice the one before it."""

# More than the API documents: the prober also expands the commands of probes
# (k8s.io/kubernetes/pkg/kubelet/prober, ExpandContainerCommandOnlyStatic).
_EXPANDED: Final = frozenset(
    {
        ("command",),
        ("args",),
        ("env", "value"),
        ("volumeMounts", "subPathExpr"),
        *((probe, "exec", "command") for probe in PROBES),
    }
)


def is_expanded_by_kubelet(names: tuple[str, ...]) -> bool:
    """Whether the kubelet expands ``$(VAR)`` in the field at this path without indices."""
    return in_container(names) in _EXPANDED


def in_container(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the part of a path below an item of ``containers`` or ``initContainers``; else None."""
    if len(names) > 2 and names[0] == "spec" and names[1] in CONTAINER_LISTS:  # noqa: PLR2004 -- spec, its list
        return names[2:]
    return None


def double_dollars(text: str) -> str:
    """Return the text that the kubelet expands to the given one."""
    return text.replace("$", "$$")


def expand(text: str, variables: Mapping[str, str | None]) -> str | None:
    """Return the text that a container gets; None if that is not known, or is very long.

    Parameters
    ----------
    text
        A string in one of the fields that the kubelet expands.
    variables
        Values of the container's variables by name; None for one that another object gives. A variable that
        is not among them is not known, as an ``envFrom`` may give it.
    """
    parts: list[str] = []
    length = end = 0
    for found in _EXPRESSION.finditer(text):
        name = found[1]
        value = "$" if name is None else variables.get(name)
        if value is None:
            return None
        parts += [text[end : found.start()], value]
        length += len(value)
        if length > _MAX_EXPANDED:
            return None
        end = found.end()
    return "".join([*parts, text[end:]])


def literal_variables(env: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return the values of a container's variables by name, expanded; None for one that is not literal.

    Parameters
    ----------
    env
        ``env`` of a rendered container: each variable can refer to those before it.
    """
    found: dict[str, str | None] = {}
    for variable in env:
        value = variable.get("value", "")
        is_literal = isinstance(value, str) and "valueFrom" not in variable
        found[str(variable.get("name"))] = expand(value, found) if is_literal else None
    return found
