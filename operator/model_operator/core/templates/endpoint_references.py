"""References in a template's ``endpoint_config``: their check, and the values for one deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import EndpointConfig
from model_operator.api.values import MAX_GPUS, is_label_value
from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.pod_fields import FieldSpec, FieldType
from model_operator.core.templates.references import (
    ParsedString,
    Reference,
    Scope,
    parse_text,
    text_form,
)
from model_operator.core.templates.substitution import check_text
from model_operator.core.values.json_values import json_type
from model_operator.core.values.quantities import parse_quantity
from model_operator.core.values.violations import Loc, Violation

RESOURCES: Final = {"cpus": "cpu", "memory": "memory", "storage": "ephemeral-storage"}
"""The resource that each quantity of ``endpoint_config`` sets."""

_LOC: Final[Loc] = ("spec", "vendor_configuration", "endpoint_config")
_FIELDS: Final = {
    **dict.fromkeys(RESOURCES, FieldSpec(FieldType.QUANTITY)),
    "gpus": FieldSpec(FieldType.INTEGER),
    # It becomes part of the node selector, which is guarded.
    "gpu_type": FieldSpec(FieldType.STRING, guarded=True),
}
_QUANTITY: Final = "a Kubernetes quantity greater than 0, such as 2, 500m or 16Gi"
_LITERALS: Final = {
    **dict.fromkeys(RESOURCES, _QUANTITY),
    "gpus": f"a whole number from 0 to {MAX_GPUS} without quotes",
    "gpu_type": "the name of an accelerator type, such as nvidia-l4",
}
"""What a field takes beside references."""


def endpoint_faults(endpoint: EndpointConfig, parameters: ParameterSchema) -> Iterator[Violation]:
    """Yield the violations of the references in a template's ``endpoint_config``.

    Parameters
    ----------
    endpoint
        The template's ``endpoint_config``.
    parameters
        The parameters that the template declares.
    """
    for name, text in _texts(endpoint):
        loc = (*_LOC, name)
        faults = list(check_text(text, loc, loc, parameters, field=_FIELDS[name]))
        yield from faults
        if not faults and not parse_text(text, kubelet=False).references:
            message = f"must be {_LITERALS[name]}, or a reference such as $(parameters.NAME)"
            yield Violation(loc, message, "reference_syntax")


@dataclass(frozen=True, slots=True)
class EndpointProgram:
    """The fields of ``endpoint_config`` that determine resources and accelerator, with their references.

    Attributes
    ----------
    config
        The template's ``endpoint_config``.
    texts
        The parsed fields that contain references, by name.
    """

    config: EndpointConfig
    texts: dict[str, ParsedString]

    def gpus(self, scope: Scope) -> int | None:
        """Return the number of GPUs; None if the template does not set it."""
        value = self._value("gpus", scope)
        return None if value is None else int(value)

    def gpu_type(self, scope: Scope) -> str | None:
        """Return the accelerator type; None if the template does not set it."""
        value = self._value("gpu_type", scope)
        return None if value is None else str(value)

    def gpu_types(self, parameters: ParameterSchema) -> tuple[str, ...]:
        """Return the accelerator types that instances may have, as far as the template lists them."""
        if "gpu_type" not in self.texts:
            return () if self.config.gpu_type is None else (self.config.gpu_type,)
        reference = self.texts["gpu_type"].sole_reference
        schema = parameters.properties.get(reference.name) if reference is not None else None
        listed = schema.get("enum", ()) if isinstance(schema, dict) else ()
        return tuple(each for each in listed if isinstance(each, str))

    def faults(self, scope: Scope) -> Iterator[tuple[Reference, str]]:
        """Yield the references whose values are not valid in their field, each with the expected value."""
        for name, text in self.texts.items():
            is_valid, expected = _VALUES[name]
            if not is_valid(self._value(name, scope)):
                part = "" if text.sole_reference else "a part of "
                for reference in text.references:
                    yield reference, f"{part}{expected}"

    def _value(self, name: str, scope: Scope) -> Any:
        if name not in self.texts:
            return getattr(self.config, name)
        text = self.texts[name]
        if text.sole_reference is not None:
            return scope.value(text.sole_reference)
        return text.render(scope, kubelet=False)


def compile_endpoint(endpoint: EndpointConfig) -> EndpointProgram:
    """Compile the ``endpoint_config`` of a template without violations."""
    texts = {name: parse_text(text, kubelet=False) for name, text in _texts(endpoint)}
    return EndpointProgram(endpoint, texts)


def is_quantity(value: Any, *, positive: bool = False) -> bool:
    """Whether a parameter's value is a quantity that Kubernetes accepts for a resource.

    Parameters
    ----------
    value
        Any JSON value.
    positive
        Whether 0 is not accepted.
    """
    if json_type(value) not in {"string", "integer", "number"}:
        return False
    try:
        number = parse_quantity(text_form(value, kubelet=False))
    except ValueError:
        return False
    return number > 0 or (number == 0 and not positive)


def _is_gpu_count(value: Any) -> bool:
    return json_type(value) == "integer" and 0 <= value <= MAX_GPUS


_VALUES: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    **dict.fromkeys(RESOURCES, (lambda value: is_quantity(value, positive=True), _QUANTITY)),
    "gpus": (_is_gpu_count, f"a whole number from 0 to {MAX_GPUS}: the GPUs of a worker"),
    "gpu_type": (is_label_value, "the name of an accelerator type, such as nvidia-l4"),
}
"""For each field: whether a value is valid, and what is expected."""


def _texts(endpoint: EndpointConfig) -> Iterator[tuple[str, str]]:
    """Yield the fields that contain references, or other expressions, with their texts."""
    for name in _FIELDS:
        value = getattr(endpoint, name)
        if isinstance(value, str) and "$(" in value:
            yield name, value
