"""Reading the answers of a model server: what its protocol promises must be there.

An answer that is not as promised is the failure of the worker. Its message names what was expected and
where, never the content.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, Final, TypeVar

import msgspec

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.values.words import plural

T = TypeVar("T")

_MAX_PROBLEM_CHARACTERS: Final = 200


def broken(protocol: EndpointProtocol, problem: str) -> Failure:
    """Return the failure of an answer that is not what the server's protocol promises."""
    message = (
        f"The model server's answer breaks its protocol {protocol}: {problem}. Action (template owner): "
        "check endpoint_protocol and the routes of the template, and the server's logs."
    )
    return Failure(FailureReason.WORKER_FAILED, message)


def reported(protocol: EndpointProtocol) -> Failure:
    """Return the failure of a stream in which the server reported an error."""
    message = (
        f"The model server (protocol {protocol}) reported an error in its stream. Action (template owner): "
        "check the server's logs."
    )
    return Failure(FailureReason.WORKER_FAILED, message)


def decode_answer(body: bytes, kind: type[T], protocol: EndpointProtocol) -> T:
    """Return an answer as a msgspec type, which must have no field whose values msgspec quotes in errors.

    That excludes enumerations, literals and tagged unions; for other types msgspec names types and paths.

    Raises
    ------
    Failure
        WORKER_FAILED.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        problem = str(error)[:_MAX_PROBLEM_CHARACTERS]
    except (ValueError, RecursionError):
        problem = "expected JSON"
    raise broken(protocol, problem)


def expect_count(items: Sized, count: int, where: str, protocol: EndpointProtocol) -> None:
    """Raise a failure unless there is one item for each text of the request."""
    if len(items) != count:
        raise broken(protocol, f"expected {plural(count, 'item')}, got {len(items)} - at `{path_of(where)}`")


def path_of(where: str) -> str:
    """Return the path of a field of an answer, as msgspec writes it; empty for the answer itself."""
    return f"$.{where}" if where else "$"


def encode(value: Any) -> bytes:
    """Return compact JSON."""
    return msgspec.json.encode(value)
