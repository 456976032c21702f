"""Types of single values that several resources share, with their bounds and rules."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, StrictInt, StrictStr

from model_operator.api.enums import ModelType
from model_operator.api.rules import MAP_TYPE, PRESERVE, IntOrString, Rule, Schema

MAX_WORKERS = 250
"""The platform's bound on the workers of one deployment."""

JsonObject = Annotated[dict[str, Any], Schema()]
"""An object whose inside the API server does not know; the operator checks it."""

FREE_MEMBERS = 1000
"""Members of an object that a user writes: as many as the operator takes elements of a value.

Of what the API server does not know it bounds neither size nor depth, only the members of the first level;
the rest is the operator's to check (`model_operator.core.objects.kept_form`).
"""

FreeObject = Annotated[
    dict[str, Any],
    Field(max_length=FREE_MEMBERS),
    Schema({"type": "object", PRESERVE: True, MAP_TYPE: "atomic", "maxProperties": FREE_MEMBERS}),
]
"""A `JsonObject` that a user writes: parameters, a schema, a part of a pod template.

It is atomic: of any other the API server writes each field, however deep, into ``managedFields``, where it
lies a few levels deeper. So an object that is as deep as the server takes is stored deeper than it reads
(measured on 1.36.3), and from then on it could list and watch no object of the kind, in no namespace.
"""

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
        "BUNDLE is not to be used directly; use GENERIC, or the type that describes what the model does",
        lambda model_type: model_type is not ModelType.BUNDLE,
    ),
]
"""A model type that a resource may have."""

_QUANTITY_LENGTH = 32
_QUANTITY = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?", re.ASCII)


def _is_positive_quantity(value: int | str) -> bool:
    if isinstance(value, int):
        return value > 0
    match = _QUANTITY.fullmatch(value) if len(value) <= _QUANTITY_LENGTH else None
    return match is not None and not value.startswith("-") and re.search("[1-9]", match[1]) is not None


Quantity = Annotated[
    StrictInt | StrictStr,
    IntOrString(max_length=_QUANTITY_LENGTH),
    Rule(
        "type(self) == int ? self > 0 : (isQuantity(self) && quantity(self).isGreaterThan(quantity('0')))",
        "must be a Kubernetes quantity greater than 0, such as 2, 500m or 16Gi",
        _is_positive_quantity,
    ),
]
"""A Kubernetes quantity; a string or a whole number."""
