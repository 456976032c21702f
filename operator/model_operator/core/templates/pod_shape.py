"""Check the parts of a template's ``pod_template`` that are merged; Kubernetes checks the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.values.hints import type_hint
from model_operator.core.values.limits import Limits, check_limits
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import noun

POD_TEMPLATE_LIMITS: Final = Limits(size=256 * 1024, elements=4096, depth=32, string=64 * 1024)
"""Limits of a pod template: far above the needs of a pod, far below those of etcd and of Python's stack."""


def check_pod_template(pod_template: Mapping[str, Any], loc: Loc) -> tuple[Violation, ...]:
    """Return the violations that prevent merging of a pod template.

    A list that is merged by name must be written out: the names of items in a reference are not known yet.

    Parameters
    ----------
    pod_template
        A PodTemplateSpec as written, any JSON.
    loc
        Path of the pod template in the template.

    Returns
    -------
    tuple of Violation
        ``dict_type``, ``list_type``, ``string_type``, ``missing``, ``not_unique``, ``nested_template``, or
        the codes of `model_operator.core.values.limits.check_limits`.
    """
    too_large = check_limits(pod_template, loc, POD_TEMPLATE_LIMITS)
    return too_large or _Shape(loc).check(pod_template)


_NESTED: Final = (
    "is the pod template of a Deployment or a StatefulSet; move its metadata and spec to spec.pod_template, "
    "and remove replicas and selector"
)


class _Shape:
    def __init__(self, loc: Loc) -> None:
        self.loc = loc
        self.found: list[Violation] = []

    def check(self, pod_template: Mapping[str, Any]) -> tuple[Violation, ...]:
        metadata = self.mapping(pod_template, "metadata", self.loc)
        self.mapping(metadata, "labels", (*self.loc, "metadata"))
        self.mapping(metadata, "annotations", (*self.loc, "metadata"))
        spec, loc = self.mapping(pod_template, "spec", self.loc), (*self.loc, "spec")
        if isinstance(spec.get("template"), Mapping):
            # Without its containers, all else that is missing follows from this.
            self.found.append(Violation((*loc, "template"), _NESTED, "nested_template"))
            return tuple(self.found)
        for key in ("securityContext", "nodeSelector"):
            self.mapping(spec, key, loc)
        self.items(spec, "tolerations", loc)
        for key in ("volumes", "imagePullSecrets"):
            self.named_items(spec, key, loc)
        for key in ("containers", "initContainers"):
            for index, container in self.named_items(spec, key, loc):
                self.container(container, (*loc, key, index))
        return tuple(self.found)

    def container(self, container: Mapping[str, Any], loc: Loc) -> None:
        self.named_items(container, "env", loc)
        resources = self.mapping(container, "resources", loc)
        for key in ("requests", "limits"):
            self.mapping(resources, key, (*loc, "resources"))
        context = self.mapping(container, "securityContext", loc)
        capabilities = self.mapping(context, "capabilities", (*loc, "securityContext"))
        self.items(capabilities, "add", (*loc, "securityContext", "capabilities"))
        for key in ("readinessProbe", "startupProbe"):
            self.mapping(container, key, loc)
        for index, item in enumerate(self.items(container, "volumeMounts", loc)):
            self.is_a(item, Mapping, (*loc, "volumeMounts", index))
        for index, item in enumerate(self.items(container, "ports", loc)):
            if self.is_a(item, Mapping, (*loc, "ports", index)):
                self.port(item, (*loc, "ports", index))

    def port(self, port: Mapping[str, Any], loc: Loc) -> None:
        name, number = port.get("name"), port.get("containerPort")
        if name is not None:
            self.is_a(name, str, (*loc, "name"))
        if number is not None and not (isinstance(number, str) and "$(" in number):
            self.is_a(number, int, (*loc, "containerPort"))

    def mapping(self, parent: Mapping[str, Any], key: str, loc: Loc) -> Mapping[str, Any]:
        """Return the object at a key; an empty object if there is none or its type is wrong."""
        value = parent.get(key)
        if value is None or not self.is_a(value, Mapping, (*loc, key)):
            return {}
        found: Mapping[str, Any] = value
        return found

    def items(self, parent: Mapping[str, Any], key: str, loc: Loc) -> list[Any]:
        """Return the list at a key; an empty list if there is none or its type is wrong."""
        value = parent.get(key)
        return value if value is not None and self.is_a(value, list, (*loc, key)) else []

    def named_items(
        self, parent: Mapping[str, Any], key: str, loc: Loc
    ) -> list[tuple[int, Mapping[str, Any]]]:
        """Return the objects of a list that is merged by name, with their indices."""
        names: set[str] = set()
        result = []
        for index, item in enumerate(self.items(parent, key, loc)):
            here = (*loc, key, index)
            if not self.is_a(item, Mapping, here):
                continue
            result.append((index, item))
            name = item.get("name")
            if name is None:
                self.found.append(Violation((*here, "name"), "required field is missing", "missing"))
            elif self.is_a(name, str, (*here, "name")):
                if name in names:
                    message = f"must be unique in {key}; rename or remove the repeated one"
                    self.found.append(Violation((*here, "name"), message, "not_unique"))
                # A pull secret is nothing but its name, so two of them never merge.
                is_referring = "$(parameters." in name or "$(instance." in name
                if is_referring and key != "imagePullSecrets":
                    message = f"must be written out without references: {key} are merged by name"
                    self.found.append(Violation((*here, "name"), message, "reference"))
                names.add(name)
        return result

    def is_a(self, value: Any, expected: type, loc: Loc) -> bool:
        """Whether a value has the type of its field; if not, a violation is added."""
        if isinstance(value, expected) and (expected is not int or not isinstance(value, bool)):
            return True
        wanted, code = _EXPECTED[expected]
        message = f"must be {wanted}, got {noun(value)}"
        if isinstance(value, str) and "$(" in value:
            message += "; write it out; only values inside it can be references"
        else:
            message += type_hint(value, _JSON_TYPES.get(expected, ()))
        self.found.append(Violation(loc, message, code))
        return False


_JSON_TYPES: Final[Mapping[type, tuple[str, ...]]] = {
    Mapping: ("object",),
    list: ("array",),
    str: ("string",),
    int: ("integer",),
}
_EXPECTED: Final[Mapping[type, tuple[str, str]]] = {
    Mapping: ("an object", "dict_type"),
    list: ("a list", "list_type"),
    str: ("a string", "string_type"),
    int: ("an integer", "int_type"),
}
