"""The fields in which the kubelet expands ``$(VAR)`` again, and how values stay as they are there.

The kubelet follows ``k8s.io/kubernetes/third_party/forked/golang/expansion``: ``$$`` is an escape for ``$``.
So every ``$`` of a value that is put into such a field is doubled, and the container gets the exact value.
"""

from __future__ import annotations

from typing import Final

from model_operator.core.templates.pod_paths import CONTAINER_LISTS, PROBES

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
