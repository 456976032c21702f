"""A translation as a pair: the API that the client calls, and the one that the model server has."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from model_operator.core.gateway.failures import Failure
from model_operator.core.gateway.sse import KEEP_ALIVE, Event, EventReader
from model_operator.core.gateway.translation.base import ServerRequest, StreamTranslator, Target
from model_operator.core.gateway.translation.generation import Delta, Generated, GenerationRequest
from model_operator.core.gateway.translation.server_answers import broken

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")
_Asked_contra = TypeVar("_Asked_contra", contravariant=True)
_Answer_contra = TypeVar("_Answer_contra", contravariant=True)
_Read_co = TypeVar("_Read_co", covariant=True)
_DONE = b"[DONE]"


class Client(Protocol[RequestT, _Answer_contra]):
    """The API that the client calls."""

    def read(self, body: bytes, target: Target, /) -> RequestT:
        """Return a request; raises Failure with the path of the field that is wrong."""
        ...

    def write(self, asked: RequestT, answer: _Answer_contra, target: Target, /) -> bytes:
        """Return the client's body."""
        ...


class Server(Protocol[_Asked_contra, _Read_co]):
    """The API that the model server has."""

    def request(self, asked: _Asked_contra, target: Target, /) -> ServerRequest:
        """Return the server's request; raises Failure for what its API does not have."""
        ...

    def answer(self, body: bytes, asked: _Asked_contra, target: Target, /) -> _Read_co:
        """Return the server's answer; raises Failure if it is not what its API promises."""
        ...


class Writer(Protocol):
    """Writes the client's stream."""

    def write(self, delta: Delta) -> bytes:
        """Return the events for a part of the answer."""
        ...

    def end(self) -> bytes:
        """Return the last events."""
        ...


class StreamingClient(Client[GenerationRequest, Generated], Protocol):
    """An API with streams."""

    def writer(self, asked: GenerationRequest, target: Target, /) -> Writer:
        """Return what writes the client's stream."""
        ...


class StreamingServer(Server[GenerationRequest, Generated], Protocol):
    """An API with streams."""

    @property
    def needs_finish(self) -> bool:
        """Whether a stream that ends without ``[DONE]`` and without finish reasons was cut."""
        ...

    def deltas(self, event: Event, asked: GenerationRequest, target: Target, /) -> list[Delta]:
        """Return the parts of the answer in an event; raises Failure if it is not as promised."""
        ...


class Pair(Generic[RequestT, AnswerT]):
    """The translation of one request whose answer is one body."""

    def __init__(
        self, client: Client[RequestT, AnswerT], server: Server[RequestT, AnswerT], target: Target
    ) -> None:
        self._client = client
        self._server = server
        self._target = target
        self._asked: RequestT | None = None

    def request(self, body: bytes) -> ServerRequest:
        """Return the server's request."""
        self._asked = self._client.read(body, self._target)
        return self._server.request(self._asked, self._target)

    def response(self, body: bytes) -> bytes:
        """Return the client's body."""
        asked = self._given()
        return self._client.write(asked, self._server.answer(body, asked, self._target), self._target)

    def stream(self) -> StreamTranslator:
        """Raise an error: no request of this kind is a stream."""
        raise RuntimeError("this API has no streams")

    def _given(self) -> RequestT:
        if self._asked is None:
            raise RuntimeError("request() comes first")
        return self._asked


class StreamingPair(Pair[GenerationRequest, Generated]):
    """The translation of one request whose answer may be a stream."""

    def __init__(self, client: StreamingClient, server: StreamingServer, target: Target) -> None:
        super().__init__(client, server, target)
        self._streaming_client = client
        self._streaming_server = server

    def stream(self) -> StreamTranslator:
        """Return what translates the server's stream."""
        asked = self._given()
        writer = self._streaming_client.writer(asked, self._target)
        return PairStream(writer, self._streaming_server, asked, self._target)


class PairStream:
    """The translation of one stream.

    An event that is wrong sets :attr:`failure` instead of raising it, so that the bytes of the events before
    it are the same wherever the stream is cut into pieces.
    """

    def __init__(
        self, writer: Writer, server: StreamingServer, asked: GenerationRequest, target: Target
    ) -> None:
        self.failure: Failure | None = None
        self._writer = writer
        self._server = server
        self._asked = asked
        self._target = target
        self._reader = EventReader()
        self._finished: set[int] = set()
        self._has_parts = False
        self._is_done = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the client's bytes for the next bytes of the server."""
        if self.failure:
            raise self.failure
        found = bytearray()
        try:
            for event in self._reader.feed(chunk):
                found += self._translated(event)
        except Failure as failure:
            self.failure = failure
        return bytes(found)

    def end(self) -> bytes:
        """Return the client's last bytes."""
        if self.failure:
            raise self.failure
        event = self._reader.end()
        found = self._translated(event) if event and not event.is_comment else b""
        if self._is_done:
            return found
        count = self._asked.choices
        if not self._has_parts or (self._server.needs_finish and len(self._finished) < count):
            raise broken(self._target.protocol, "expected more events, got the end of the stream")
        return found + self._writer.end()

    def _translated(self, event: Event) -> bytes:
        if self._is_done:
            return b""
        if event.is_comment:
            return KEEP_ALIVE
        if event.data == _DONE:
            if not self._has_parts:
                raise broken(self._target.protocol, "expected events with an answer before the end")
            self._is_done = True
            return self._writer.end()
        deltas = self._server.deltas(event, self._asked, self._target)
        self._has_parts = self._has_parts or bool(deltas)
        self._finished |= {delta.index for delta in deltas if delta.finish_reason}
        return b"".join(self._writer.write(delta) for delta in deltas)
