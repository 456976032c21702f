"""Failures that have their cause in the workers of a model, or in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Model
from model_operator.core.reasons.reasons import Reason

_SHOWN_CHARACTERS: Final = 2000
_STARTS: Final[Mapping[str, str]] = {
    Reason.Suspended.name: "set spec.suspend of the ModelInstance to false.",
    Reason.ScaledToZero.name: "raise the number of its workers, or try again when its autoscaler has.",
}
"""What starts a worker, by the reason of the Ready condition of a model that is to have none."""
_LOGS: Final = "Action (template owner): check the logs of the model's pods."


def not_ready(model: Model) -> Failure:
    """Return the failure of a model without a ready worker; names the reason of its Ready condition."""
    why = model.not_ready_reason
    if why and model.not_ready_detail:
        why = f"{why}: {model.not_ready_detail.rstrip('.')}"
    return Failure(
        FailureReason.MODEL_NOT_READY,
        f"model {model.id}: no worker is ready{f' ({why})' if why else ''}. "
        f"Action (user): {_STARTS.get(model.not_ready_reason, 'try again later.')}",
        is_permanent=model.not_ready_reason == Reason.Suspended.name,
    )


def overloaded(model: Model) -> Failure:
    """Return the failure of a model whose workers have all the requests in flight that they may have."""
    return Failure(
        FailureReason.OVERLOADED,
        f"model {model.id}: too many requests are in flight for its ready workers. Action (user): try again"
        " later, or raise the number of workers.",
    )


def unreachable(model: Model) -> Failure:
    """Return the failure of a model none of whose workers accepts connections."""
    return Failure(
        FailureReason.WORKER_UNREACHABLE,
        f"model {model.id}: no worker could be reached. Action (user): try again; if that fails, check the"
        " model's pods.",
    )


def exhausted(model: Model) -> Failure:
    """Return the failure of a gateway that can open no further connection."""
    return Failure(
        FailureReason.GATEWAY_BUSY,
        f"model {model.id}: the gateway can open no further connection. Action (operator administrator): add"
        " replicas of the gateway, or raise its limit of open files.",
    )


def ended(model: Model) -> Failure:
    """Return the failure of a worker that closed its connection before its response was complete."""
    return Failure(
        FailureReason.WORKER_FAILED,
        f"model {model.id}: the worker closed the connection before its response was complete. {_LOGS}",
    )


def timed_out(model: Model) -> Failure:
    """Return the failure of a worker that was silent for too long."""
    return Failure(
        FailureReason.WORKER_TIMEOUT,
        f"model {model.id}: the worker sent nothing within the time limit. {_LOGS}",
    )


def not_http(model: Model) -> Failure:
    """Return the failure of a worker whose response is no HTTP, or none that the gateway passes on."""
    return Failure(
        FailureReason.WORKER_FAILED,
        f"model {model.id}: the worker's response must be HTTP, no redirect, and not compressed when it is"
        f" translated. {_LOGS}",
    )


def not_a_stream(model: Model) -> Failure:
    """Return the failure of a worker that answers a request for a stream by one JSON document."""
    return Failure(
        FailureReason.WORKER_FAILED,
        f"model {model.id}: the worker must answer a request for a stream by events, found a JSON document."
        " Action (template owner): set streaming_predict_route to a path that streams.",
    )


def too_large(model: Model, limit: int) -> Failure:
    """Return the failure of a response that is too large to be translated."""
    return Failure(
        FailureReason.WORKER_FAILED,
        f"model {model.id}: a response that is translated must have at most {limit} bytes. Action (user):"
        " send fewer inputs in one request.",
    )


def rejected(model: Model, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Return the failure that stands for a worker's response with an error status.

    Parameters
    ----------
    model
        The model.
    status
        Status of the worker, 400 or above, which is kept.
    headers
        Those of the worker; of these, ``Retry-After`` is kept.
    body
        The worker's body; its message is passed on to the client.
    """
    is_client_error = status < HTTPStatus.INTERNAL_SERVER_ERROR
    reason = FailureReason.WORKER_REJECTED if is_client_error else FailureReason.WORKER_FAILED
    action = "Action (user): correct the request." if is_client_error else _LOGS
    kept = {"Retry-After": headers["Retry-After"]} if "Retry-After" in headers else {}
    return Failure(
        reason,
        f"model {model.id}: the worker answered with status {status}. {action}",
        headers=kept,
        status=status,
        detail=_message(body),
    )


def _message(body: bytes) -> str:
    """Return the text of an error in any of the shapes that servers use; empty if it has none."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value[:_SHOWN_CHARACTERS] if isinstance(value, str) else ""
