"""The Kubernetes types inside a template, as far as our CRDs check them."""

# ruff: noqa: N815 -- the names of fields are Kubernetes' own

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import StrictInt, StrictStr

from model_operator.api.meta import ApiModel
from model_operator.api.rules import IntOrString, Rule, Shape
from model_operator.api.values import FreeObject, Word


class LocalObjectReference(ApiModel):
    """A reference to an object in the instance's namespace."""

    name: Word
    """Name of the object."""


class _PodTemplate(ApiModel):
    """A Kubernetes PodTemplateSpec."""

    metadata: FreeObject | None = None
    """Labels and annotations of the pods."""
    spec: FreeObject | None = None
    """Kubernetes PodSpec. The container that serves the model is named `model`."""


_PERCENTAGE = "^[0-9]{1,3}%$"

_NumberOrPercentage = Annotated[
    StrictInt | StrictStr,
    IntOrString(max_length=16),
    Rule(
        f"type(self) == int ? self >= 0 : self.matches('{_PERCENTAGE}')",
        "must be a number of workers or a percentage, such as 1 or 25%",
        lambda pace: pace >= 0 if isinstance(pace, int) else re.fullmatch(_PERCENTAGE, pace) is not None,
    ),
]


class _RollingUpdate(ApiModel):
    """The pace of a rolling update."""

    maxSurge: _NumberOrPercentage | None = None
    """Workers above the desired number, or a percentage of it."""
    maxUnavailable: _NumberOrPercentage | None = None
    """Workers below the desired number, or a percentage of it."""


class _DeploymentStrategy(ApiModel):
    """A Kubernetes DeploymentStrategy."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.rollingUpdate) || !has(self.type) || self.type == 'RollingUpdate'",
            "rollingUpdate is only for the type RollingUpdate; remove it",
            lambda strategy: strategy.rollingUpdate is None or strategy.type != "Recreate",
            field="rollingUpdate",
        ),
    )

    type: Literal["Recreate", "RollingUpdate"] | None = None
    """Recreate deletes all old workers before it creates new ones. RollingUpdate replaces them gradually."""
    rollingUpdate: _RollingUpdate | None = None
    """Pace of a rolling update."""


PodTemplate = Annotated[dict[str, Any], Shape(_PodTemplate)]
"""A Kubernetes PodTemplateSpec as written; the operator and the API server check its contents."""

DeploymentStrategy = Annotated[dict[str, Any], Shape(_DeploymentStrategy)]
"""A Kubernetes DeploymentStrategy as written."""
