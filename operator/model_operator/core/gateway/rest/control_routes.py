"""The paths of the platform's REST API, beside those that call a model.

Source: the platform's API, version 4; the operations and their ids are those of ``openapi.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPMethod
from typing import Final
from urllib.parse import unquote

from model_operator.core.gateway.failures import Failure, FailureReason


class Operation(StrEnum):
    """An operation of the REST API; also the name of its route in metrics and logs."""

    CREATE_MODEL = "create-model"
    LIST_MODELS = "list-models"
    GET_MODEL = "get-model"
    PATCH_MODEL = "patch-model"
    DELETE_MODEL = "delete-model"
    CREATE_DEPLOYMENT = "create-deployment"
    LIST_DEPLOYMENTS = "list-deployments"
    LIST_ALL_DEPLOYMENTS = "list-all-deployments"
    GET_DEPLOYMENT = "get-deployment"
    PATCH_DEPLOYMENT = "patch-deployment"
    DELETE_DEPLOYMENT = "delete-deployment"
    CREATE_TEMPLATE = "create-template"
    LIST_TEMPLATES = "list-templates"
    GET_TEMPLATE = "get-template"
    DELETE_TEMPLATE = "delete-template"
    NOT_IMPLEMENTED = "not-implemented"


@dataclass(frozen=True, slots=True)
class ControlRoute:
    """A path of the REST API, with the operation of each method.

    Attributes
    ----------
    pattern
        Path with variables in braces: ``model`` and ``deployment`` and ``template`` are identifiers.
    operations
        By method.
    """

    pattern: str
    operations: Mapping[HTTPMethod, Operation]


_GET, _POST, _PATCH, _PUT, _DELETE = (
    HTTPMethod.GET,
    HTTPMethod.POST,
    HTTPMethod.PATCH,
    HTTPMethod.PUT,
    HTTPMethod.DELETE,
)


def _without(pattern: str, *methods: HTTPMethod) -> ControlRoute:
    return ControlRoute(pattern, dict.fromkeys(methods, Operation.NOT_IMPLEMENTED))


CONTROL_ROUTES: Final = (
    ControlRoute("/v4/models", {_POST: Operation.CREATE_MODEL, _GET: Operation.LIST_MODELS}),
    ControlRoute(
        "/v4/models/{model}",
        {_GET: Operation.GET_MODEL, _PATCH: Operation.PATCH_MODEL, _DELETE: Operation.DELETE_MODEL},
    ),
    ControlRoute(
        "/v4/models/{model}/deployments",
        {_POST: Operation.CREATE_DEPLOYMENT, _GET: Operation.LIST_DEPLOYMENTS},
    ),
    ControlRoute(
        "/v4/models/{model}/deployments/{deployment}",
        {
            _GET: Operation.GET_DEPLOYMENT,
            _PATCH: Operation.PATCH_DEPLOYMENT,
            _DELETE: Operation.DELETE_DEPLOYMENT,
        },
    ),
    ControlRoute("/v4/model-deployments", {_GET: Operation.LIST_ALL_DEPLOYMENTS}),
    ControlRoute("/v4/model-templates", {_POST: Operation.CREATE_TEMPLATE, _GET: Operation.LIST_TEMPLATES}),
    ControlRoute(
        "/v4/model-templates/{template}",
        {_GET: Operation.GET_TEMPLATE, _DELETE: Operation.DELETE_TEMPLATE},
    ),
    _without("/v4/models/{model}/usage-statistics", _GET),
    _without("/v4/model-deployments/{deployment}/usage-statistics", _GET),
    _without("/v4/model-groups", _GET, _POST),
    _without("/v4/model-groups/{group}", _GET, _PATCH, _DELETE),
    _without("/v4/model-groups/{group}/models/{model}", _POST),
    _without("/v4/model-groups/{group}/usage-statistics", _GET),
    _without("/v4/serving", _GET, _POST),
    _without("/v4/serving/{server}", _GET),
    _without("/v4/serving/{server}/deployment", _GET),
    _without("/v4/serving/{server}/backend", _PUT),
    _without("/v4/serving/{server}/rollback", _POST),
    _without("/v4/serving/{server}/execute", _POST),
    _without("/v4/serving/a/{alias}", _GET),
    _without("/v4/serving/a/{alias}/execute", _POST),
)
"""All paths of the REST API."""


@dataclass(frozen=True, slots=True)
class ControlMatch:
    """A route that a path matches, with its variables decoded."""

    route: ControlRoute
    variables: Mapping[str, str]


_COMPILED: Final = [
    (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route.pattern))), route)
    for route in CONTROL_ROUTES
]


def control_match(raw_path: str) -> ControlMatch | None:
    """Return the route of a path, or None; paths are an allow-list.

    Parameters
    ----------
    raw_path
        Path as sent, percent-encoded, without the query. A variable has ``%2F`` for a slash.
    """
    for pattern, route in _COMPILED:
        if found := pattern.fullmatch(raw_path):
            return ControlMatch(route, {name: unquote(value) for name, value in found.groupdict().items()})
    return None


def operation_of(match: ControlMatch, method: str) -> Operation:
    """Return the operation of a method.

    Raises
    ------
    Failure
        ``METHOD_NOT_ALLOWED`` for a method that the path does not have.
    """
    operations = match.route.operations
    found = next((operation for each, operation in operations.items() if each == method), None)
    if found is None:
        allowed = ", ".join(each.value for each in operations)
        raise Failure(
            FailureReason.METHOD_NOT_ALLOWED, f"this path accepts only {allowed}.", headers={"Allow": allowed}
        )
    return found
