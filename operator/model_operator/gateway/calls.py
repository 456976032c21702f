"""One request to a model, as it was decided, and what is observed of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from model_operator.core.gateway.apis import Route, Treatment
from model_operator.core.gateway.failures import FailureReason
from model_operator.core.gateway.models import Deployment, Model

CLIENT_CLOSED_STATUS: Final = 499
"""nginx's status of a request whose client left, which no client sees."""
SERVER: Final = "model-operator"
"""Value of the header ``Server``: aiohttp would name its version, and Python's."""


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that is decided about a request before a worker is chosen.

    Attributes
    ----------
    route
        Path that was called.
    model, deployment
        What answers.
    body
        Body of the request, which :func:`~model_operator.core.gateway.bodies.read_request` accepted.
    requested
        Name of the model as the client wrote it.
    caller
        Name of the authenticated caller.
    treatment
        What happens to the bodies.
    is_stream
        Whether the client requests a stream.
    begun
        When its headers were there, by ``time.perf_counter``; None if that is not known.
    """

    route: Route
    model: Model
    deployment: Deployment
    body: bytes
    requested: str
    caller: str
    treatment: Treatment
    is_stream: bool = False
    begun: float | None = None


class RetryCause(StrEnum):
    """Why a request was sent again; nothing was executed in any of these cases."""

    CONNECT = "connect"
    """The worker could not be reached; another one is tried."""
    STALE_CONNECTION = "stale_connection"
    """The worker closed a connection that was idle, at the time of its reuse; a new connection is tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended.

    Attributes
    ----------
    status
        HTTP status that was sent; if the client left before there was one, 499.
    reason
        Why the gateway answered instead of a worker, or broke off the response; None if a worker answered.
    is_client_gone
        Whether the client left before the end of the response.
    is_cut
        Whether a worker broke off its response after the headers.
    is_stream
        Whether the response was a stream of events.
    """

    status: int
    reason: FailureReason | None = None
    is_client_gone: bool = False
    is_cut: bool = False
    is_stream: bool = False


class Observation(Protocol):
    """Takes note of one request."""

    def retry(self, cause: RetryCause) -> None:
        """Take note that the request is sent once more."""

    def first_byte(self) -> None:
        """Take note that the first byte of the worker's body is there."""

    def usage(self, input_tokens: int | None, output_tokens: int | None, /) -> None:
        """Take note of the tokens that the worker reports."""

    def end(self, outcome: Outcome) -> None:
        """Take note of the end; called exactly once."""


class Observer(Protocol):
    """Takes note of requests."""

    def begin(self, call: Call, /) -> Observation:
        """Take note that a request was decided and will be sent to a worker."""
        ...


class _NoObservation:
    def retry(self, cause: RetryCause) -> None:
        pass

    def first_byte(self) -> None:
        pass

    def usage(self, input_tokens: int | None, output_tokens: int | None, /) -> None:
        pass

    def end(self, outcome: Outcome) -> None:
        pass


class NoObserver:
    """Takes note of nothing."""

    def begin(self, call: Call, /) -> Observation:  # noqa: ARG002 -- the protocol's
        """Return what takes note of nothing."""
        return _NoObservation()
