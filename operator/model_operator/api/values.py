"""Types of single values, with their bounds and rules, that several resources share."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, StrictInt, StrictStr

from model_operator.api.enums import ModelType
from model_operator.api.rules import MAP_TYPE, PRESERVE, IntOrString, Rule, Schema

MAX_WORKERS = 5000
"""The largest number of workers that the operator's setting for an instance can allow."""

JsonObject = Annotated[dict[str, Any], Schema()]
"""An object whose fields the CRD does not declare; the operator checks them."""

FREE_MEMBERS = 1000
"""Maximum number of members of an object that a user writes, equal to the operator's limit of elements.

The API server bounds neither size nor depth of undeclared fields, only the number of members at the first
level. The operator checks the rest (`model_operator.core.objects.kept_form`).
"""

FreeObject = Annotated[
    dict[str, Any],
    Field(max_length=FREE_MEMBERS),
    Schema({"type": "object", PRESERVE: True, MAP_TYPE: "atomic", "maxProperties": FREE_MEMBERS}),
]
"""A `JsonObject` that a user writes: parameters, a schema, a part of a pod template.

It is atomic. Of a granular object the API server writes each field, however deep, into ``managedFields``,
which adds a few levels of nesting. An object as deep as the server accepts is then stored deeper than the
server can read (measured on 1.36.3), and listing and watching of the kind fails in all namespaces.
"""

_NAMESPACE_PATTERN = r"^[-a-z0-9*?]+$"


def namespace_pattern_rule(example: str) -> Rule:
    """Return the rule of the name of a namespace, or of a pattern of such names.

    Parameters
    ----------
    example
        A pattern for the message, such as ``team-*``.
    """
    return Rule(
        f"self.matches('{_NAMESPACE_PATTERN}')",
        f"must be the name of a namespace, or a pattern with * and ?, such as {example}",
        lambda pattern: re.fullmatch(_NAMESPACE_PATTERN, pattern) is not None,
    )


Word = Annotated[str, Field(min_length=1, max_length=253)]
"""A short text: a name, an identifier."""

Text = Annotated[str, Field(max_length=65536)]
"""A long text, such as a model card in Markdown."""

Workers = Annotated[int, Field(strict=True, ge=0, le=MAX_WORKERS)]
"""A number of workers."""

Seconds = Annotated[int, Field(strict=True, ge=0, le=86400)]
"""A duration, up to a day."""

Route = Annotated[
    str,
    Field(max_length=1024),
    Rule(
        "self.startsWith('/')",
        "must start with '/', as in /predict",
        lambda route: route.startswith("/"),
    ),
]
"""The path of a URL."""

UsableModelType = Annotated[
    ModelType,
    Rule(
        "self != 'BUNDLE'",
        "BUNDLE cannot be used directly; use GENERIC, or the type that describes what the model does",
        lambda model_type: model_type is not ModelType.BUNDLE,
    ),
]
"""A model type that a resource may have."""

_QUANTITY_LENGTH = 32
_REFERRING_LENGTH = 256
"""Maximum length of a text with references, which are longer than the values that replace them."""
_QUANTITY = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?", re.ASCII)


def _refers(value: int | str) -> bool:
    return isinstance(value, str) and "$(" in value


def _is_positive_quantity(value: int | str) -> bool:
    if isinstance(value, int):
        return value > 0
    match = _QUANTITY.fullmatch(value) if len(value) <= _QUANTITY_LENGTH else None
    return match is not None and not value.startswith("-") and re.search("[1-9]", match[1]) is not None


_INT_OR_REFERRING = IntOrString(
    max_length=_REFERRING_LENGTH, form='write a fraction in quotes, such as "500m" for half of one'
)
QUANTITY_HINTS = (
    ("^[0-9.]+ ?[KMGTkmgt][bB]$", "; write Gi or G for gigabytes, Mi or M for megabytes, without B"),
    ("^[0-9.]+ ?[KMGTP]iB$", "; write the unit without B, as in 16Gi"),
    ("^[0-9.]+([gt]i?|mi|[kKpPeE])$", "; write the unit in its own case, as in 16Gi and 500M"),
    (" ", "; remove the space"),
)
"""Hints at the right form of a text that is no quantity, each with the expression that it is for."""
_IS_QUANTITY = Rule(
    "type(self) == int ? self > 0 : (self.contains('$(') || "
    f"(size(self) <= {_QUANTITY_LENGTH} && isQuantity(self) && "
    "quantity(self).isGreaterThan(quantity('0'))))",
    "must be a Kubernetes quantity greater than 0, such as 2, 500m or 16Gi",
    lambda value: _refers(value) or _is_positive_quantity(value),
    details=QUANTITY_HINTS,
    in_cel=False,
)
Quantity = Annotated[StrictInt | StrictStr, _INT_OR_REFERRING, _IS_QUANTITY]
"""A Kubernetes quantity; a string, a whole number, or a text with references."""

ListedQuantity = Annotated[
    StrictInt | StrictStr,
    _INT_OR_REFERRING,
    replace(_IS_QUANTITY, cel="type(self) != int || self > 0"),
]
"""A `Quantity` of an item of a list. The API server checks only integers, as the cost of a rule is multiplied
by the length of the list; webhook and reconciler check all of it."""

MAX_GPUS = 1024
"""The platform's maximum number of GPUs of one worker."""

GpuCount = Annotated[
    StrictInt | StrictStr,
    IntOrString(max_length=_REFERRING_LENGTH, form="write a whole number"),
    Rule(
        f"type(self) == int ? (self >= 0 && self <= {MAX_GPUS}) : self.contains('$(')",
        f"must be a whole number from 0 to {MAX_GPUS} without quotes, or a reference such as "
        "$(parameters.GPUS)",
        lambda value: _refers(value) or (isinstance(value, int) and 0 <= value <= MAX_GPUS),
    ),
]
"""A number of GPUs, or a reference to a parameter with it."""

_LABEL_VALUE = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"

AcceleratorType = Annotated[
    str,
    Field(min_length=1, max_length=_REFERRING_LENGTH),
    Rule(
        f"self.contains('$(') || self.matches('{_LABEL_VALUE}')",
        "must be the name of an accelerator type, such as nvidia-l4: at most 63 letters, digits, '-', '_' "
        "and '.', with a letter or digit at both ends",
        lambda value: _refers(value) or is_label_value(value),
    ),
]
"""An accelerator type. It is also the default value of a node label, hence its form."""


def is_label_value(text: str) -> bool:
    """Whether the text is a non-empty value of a Kubernetes label."""
    return re.fullmatch(_LABEL_VALUE, text) is not None
