"""Parameters of a request: ``model_request_parameters.bindings``, judged by the template's schema.

The platform's contract: every request takes ``{"bindings": {name: value}}``, whose names and types the
template declares in ``model_request_parameters_schema``; other keys are refused at both levels.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Model
from model_operator.core.gateway.translation.fields import Fields, Given, invalid_body, refused
from model_operator.core.parameters.schemas.evaluator import Evaluator
from model_operator.core.templates.contracts import REQUEST_PARAMETERS
from model_operator.core.values.json_values import stable_json
from model_operator.core.values.limits import check_limits
from model_operator.core.values.violations import Loc

BINDINGS: Final = "bindings"

_NO_PARAMETERS: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {BINDINGS: {"type": "object", "additionalProperties": False}},
    "required": [BINDINGS],
    "additionalProperties": False,
}
_ABSENT: Final = msgspec.Raw(b"")
_COMPILED_SCHEMAS: Final = 256
_RESERVED: Final = frozenset({"model", "stream", "stream_options", "n", "best_of"})
"""Fields of a server's request that decide how its answer must be read."""


def check_bindings(body: bytes, model: Model) -> None:
    """Check ``model_request_parameters`` of a request on the platform's API.

    Parameters
    ----------
    body
        The request.
    model
        The model with ``bindings_schema``, the schema of ``model_request_parameters`` as an instance's
        ``request_schema`` has it.

    Raises
    ------
    Failure
        INVALID_BODY if the body is not a JSON object; INVALID_REQUEST with the path of the first violation.
    """
    try:
        found = msgspec.json.decode(body, type=_Request)
    except msgspec.ValidationError:
        raise invalid_body("must be a JSON object") from None
    except (ValueError, RecursionError):
        raise invalid_body("is not valid JSON") from None
    if found.model_request_parameters == _ABSENT:
        return
    # Servers differ in which of two equal keys they read, so that one could pass unjudged.
    value = _decoded_once(body)[REQUEST_PARAMETERS]
    loc: Loc = (REQUEST_PARAMETERS,)
    if value is None:
        return
    violations = check_limits(value, loc)
    if not violations:
        try:
            evaluator = _evaluator(stable_json(model.bindings_schema or _NO_PARAMETERS))
        except Exception as error:  # users who may write the status may write any schema
            raise refused(loc, "cannot be checked: the schema in the model's status is not valid") from error
        violations = tuple(evaluator.violations(value, loc))[:1]
    if violations:
        raise refused(violations[0].loc, violations[0].msg)


def read_bindings(fields: Fields) -> Mapping[str, Given]:
    """Return the bindings of a request by name, without judging them."""
    given = fields.object(REQUEST_PARAMETERS)
    if given is None:
        return {}
    inner = Fields(given.value, given.path)
    bindings = inner.object(BINDINGS)
    inner.refuse_rest()
    if bindings is None:
        return {}
    return {name: Given(value, (*bindings.path, name)) for name, value in bindings.value.items()}


def nested(bindings: Mapping[str, Given]) -> dict[str, Any]:
    """Return bindings as the platform's own contract has them."""
    if not bindings:
        return {}
    return {REQUEST_PARAMETERS: {BINDINGS: {name: given.value for name, given in bindings.items()}}}


def merged(
    body: Mapping[str, Any], bindings: Mapping[str, Given], reserved: Collection[str] = ()
) -> dict[str, Any]:
    """Return a server's request with the bindings as fields: other protocols have no place of their own.

    Raises
    ------
    Failure
        INVALID_REQUEST if a binding would replace a field that the gateway sets.
    """
    for name, given in bindings.items():
        if name in body or name in _RESERVED or name in reserved:
            raise refused(given.path, "names a field of the model server's request that is set otherwise")
    return {**body, **{name: given.value for name, given in bindings.items()}}


class _Request(msgspec.Struct):
    model_request_parameters: msgspec.Raw = _ABSENT


@lru_cache(maxsize=_COMPILED_SCHEMAS)
def _evaluator(schema: bytes) -> Evaluator:
    return Evaluator(json.loads(schema))


def _decoded_once(body: bytes) -> dict[str, Any]:
    """Return a JSON object without a key twice, anywhere in it."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        decoded = dict(pairs)
        if len(decoded) != len(pairs):
            raise Failure(
                FailureReason.INVALID_REQUEST,
                "The body has a key twice in one object. Action (user): correct the request.",
            )
        return decoded

    try:
        decoded: dict[str, Any] = json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise invalid_body("is not valid JSON") from None
    return decoded
