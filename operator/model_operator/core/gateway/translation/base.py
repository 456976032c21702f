"""The interface of a translation: a request to the server's API, and its answer back, streams included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.failures import Failure

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes an answer unique; the caller has the clock and the random numbers.

    Attributes
    ----------
    id
        Random text without a prefix, such as 32 hexadecimal digits.
    created
        Time of the answer, in seconds since 1970.
    """

    id: str
    created: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a translation knows about the deployment.

    Attributes
    ----------
    model
        Name by which the server knows the model; None when it takes any.
    requested
        Name of the model as the client wrote it, for the answer.
    protocol
        Calling convention of the server, for messages.
    predict_route, streaming_predict_route
        Paths of the server's own contract.
    stamp
        For the answer's identifier and time.
    """

    model: str | None
    requested: str
    protocol: EndpointProtocol
    predict_route: str
    streaming_predict_route: str
    stamp: Stamp

    @property
    def server_model(self) -> str:
        """The value of ``model`` for the server; a server that takes any gets the client's."""
        return self.model or self.requested


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A request for the model server.

    Attributes
    ----------
    path
        Path at the server.
    body
        JSON.
    is_stream
        Whether the client requests a stream.
    headers
        Further headers.
    """

    path: str
    body: bytes
    is_stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class StreamTranslator(Protocol):
    """Translates the events of one stream; keeps at most one event of at most 1 MiB."""

    @property
    def failure(self) -> Failure | None:
        """Why the stream must not go on; None while it may.

        The server sent an event that its protocol does not have, or reported an error. The bytes that
        :meth:`feed` returned are still for the client: an error event follows them.
        """
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Return the client's bytes for the next bytes of the server, empty if an event is incomplete.

        Raises
        ------
        Failure
            If :attr:`failure` was set before.
        """
        ...

    def end(self) -> bytes:
        """Return the client's last bytes, after the server has ended its stream cleanly.

        Raises
        ------
        Failure
            If :attr:`failure` was set before, or the stream ended before its protocol allows.
        """
        ...


class Translation(Protocol):
    """The translation of one request; a new one for each."""

    def request(self, body: bytes) -> ServerRequest:
        """Return the server's request.

        Raises
        ------
        Failure
            INVALID_BODY, INVALID_REQUEST or UNSUPPORTED_FIELD with the path of the field.
        """
        ...

    def response(self, body: bytes) -> bytes:
        """Return the client's body for the server's body with status 200.

        Raises
        ------
        Failure
            WORKER_FAILED when the server's answer is not what its protocol promises.
        """
        ...

    def stream(self) -> StreamTranslator:
        """Return what translates the server's stream; called when :meth:`request` said it is one."""
        ...
