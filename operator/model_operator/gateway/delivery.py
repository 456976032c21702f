"""The response of a worker on its way to the client.

Each read is written at once. What cannot be completed never looks complete: a stream of events ends with an
event that is an error, any other response with a connection that is cut.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict

from model_operator.core.gateway import worker_failures
from model_operator.core.gateway.failures import Failure, FailureReason, stream_event
from model_operator.core.gateway.headers import EVENT_STREAM, MODEL_HEADER, Header, for_client, for_stream
from model_operator.core.gateway.translation.base import JSON, StreamTranslator, Translation
from model_operator.core.gateway.usage import UsageReader
from model_operator.gateway.calls import CLIENT_CLOSED_STATUS, SERVER, Call, Observation, Outcome
from model_operator.gateway.upstream import limit_silence

MAX_TRANSLATED_BYTES: Final = 64 * 2**20
_MAX_ERROR_BYTES: Final = 64 * 2**10
_SMALL_BYTES: Final = 16 * 2**10
"""A write of less does not wait when nothing else waits: asyncio takes 64 KiB before it does."""
_READ_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)
_BLANK_LINES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Delivery:
    """The way back of one request.

    Attributes
    ----------
    observation
        Takes note of the request.
    response
        The response whose headers were sent, None before that.
    is_stream
        Whether the response is a stream of events.
    reason
        Why the response could not be completed; None otherwise.

    Parameters
    ----------
    request
        The client's request.
    call
        What was decided about it.
    observation
        Takes note of it.
    idle_timeout
        Seconds between two chunks, and for the client to take one.
    """

    def __init__(
        self, request: web.Request, call: Call, observation: Observation, idle_timeout: float
    ) -> None:
        self.observation = observation
        self.response: web.StreamResponse | None = None
        self.is_stream = False
        self.reason: FailureReason | None = None
        self._request = request
        self._call = call
        self._idle_timeout = idle_timeout
        self._tail = b""
        self._usage = UsageReader()

    def left(self) -> Outcome:
        """Return the outcome of a request whose client left now."""
        status = CLIENT_CLOSED_STATUS if self.response is None else self.response.status
        return Outcome(status, is_client_gone=True, is_stream=self.is_stream)

    async def passed(self, response: aiohttp.ClientResponse) -> web.StreamResponse:
        """Send a response byte by byte.

        Raises
        ------
        ConnectionError
            When the client left.
        """
        headers = for_client(response.headers.items(), self._call.model.id)
        self.is_stream = response.headers.get(hdrs.CONTENT_TYPE, "").lower().startswith(EVENT_STREAM)
        if self.is_stream:
            headers = for_stream(headers)
        if response.content.is_eof() and response.content.exception() is None:
            body = response.content.read_nowait()
            self._usage.feed(body)
            return self._whole(response.status, response.reason, headers, body)
        answer = await self._begun(response.status, response.reason, headers)
        return await self._stream(response, answer, None)

    async def translated(
        self, response: aiohttp.ClientResponse, translation: Translation
    ) -> web.StreamResponse:
        """Return a translated response.

        Raises
        ------
        Failure
            When the worker's response cannot be read, or is not what its protocol promises.
        """
        body = await self._read(response)
        self._usage.feed(body)
        made = translation.response(body)
        return self._whole(HTTPStatus.OK, None, self._headers(JSON), made)

    async def translated_stream(
        self, response: aiohttp.ClientResponse, translation: Translation
    ) -> web.StreamResponse:
        """Send a translated stream.

        Raises
        ------
        Failure
            When the worker answers by one document.
        ConnectionError
            When the client left.
        """
        self._refuse_coding(response)
        if response.headers.get(hdrs.CONTENT_TYPE, "").lower().startswith(JSON):
            raise worker_failures.not_a_stream(self._call.model)
        self.is_stream = True
        headers = for_stream(self._headers(EVENT_STREAM))
        answer = await self._begun(HTTPStatus.OK, None, headers)
        return await self._stream(response, answer, translation.stream())

    async def rejected(self, response: aiohttp.ClientResponse) -> Failure:
        """Return the failure that stands for a worker's response with an error status."""
        try:
            body = await response.content.read(_MAX_ERROR_BYTES)
        except _READ_ERRORS:
            body = b""
        return worker_failures.rejected(self._call.model, response.status, response.headers, body)

    async def _stream(
        self,
        response: aiohttp.ClientResponse,
        answer: web.StreamResponse,
        translator: StreamTranslator | None,
    ) -> web.StreamResponse:
        content = response.content
        is_begun = False
        while True:
            try:
                chunk = await content.readany()
            except _READ_ERRORS as error:
                model = self._call.model
                is_late = isinstance(error, TimeoutError)
                failure = worker_failures.timed_out(model) if is_late else worker_failures.ended(model)
                return await self._cut(answer, failure)
            if not is_begun:
                is_begun = True
                self.observation.first_byte()
                limit_silence(response, self._idle_timeout)
            if chunk:
                self._usage.feed(chunk)
            try:
                if translator is not None:
                    made = translator.feed(chunk) if chunk else translator.end()
                else:
                    made = chunk
            except Failure as failure:
                return await self._cut(answer, failure)
            if made:
                await self._write(answer, made)
            if translator is not None and translator.failure is not None:
                return await self._cut(answer, translator.failure)
            if not chunk:
                break
        self._note_usage()
        await answer.write_eof()
        return answer

    async def _write(self, answer: web.StreamResponse, data: bytes) -> None:
        self._tail = data if len(data) >= len(b"\r\n\r\n") else self._tail[-3:] + data
        transport = self._request.transport
        if len(data) < _SMALL_BYTES and transport is not None and not transport.get_write_buffer_size():
            await answer.write(data)
            return
        try:
            async with asyncio.timeout(self._idle_timeout):
                await answer.write(data)
        except TimeoutError as error:
            self._reset()
            raise ConnectionResetError("the client took no bytes within the time limit") from error

    async def _cut(self, answer: web.StreamResponse, failure: Failure) -> web.StreamResponse:
        """End a response that has begun and cannot be completed."""
        self.reason = failure.reason
        self._note_usage()
        if not self.is_stream or hdrs.CONTENT_ENCODING in answer.headers:
            self._reset()
            return answer
        # An event that is not complete would swallow the next line.
        gap = b"" if not self._tail or self._tail.endswith(_BLANK_LINES) else b"\n\n"
        await self._write(answer, gap + stream_event(failure, self._call.route.family))
        await answer.write_eof()
        return answer

    def _reset(self) -> None:
        """Cut the client's connection, so that what was sent does not look complete."""
        transport = self._request.transport
        if transport is None:
            return
        connection = transport.get_extra_info("socket")
        if self._request.version < HttpVersion11 and connection is not None:
            # The end of the connection is the end of the response there: a reset is none.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    async def _begun(self, status: int, reason: str | None, headers: list[Header]) -> web.StreamResponse:
        answer = web.StreamResponse(status=status, reason=reason, headers=_with_server(headers))
        self.response = answer
        await answer.prepare(self._request)
        return answer

    def _whole(self, status: int, reason: str | None, headers: list[Header], body: bytes) -> web.Response:
        self.observation.first_byte()
        self._note_usage()
        return web.Response(status=status, reason=reason, headers=_with_server(headers), body=body)

    def _headers(self, content_type: str) -> list[Header]:
        return [(hdrs.CONTENT_TYPE, content_type), (MODEL_HEADER, self._call.model.id)]

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        self._refuse_coding(response)
        model = self._call.model
        parts: list[bytes] = []
        size = 0
        try:
            while chunk := await response.content.readany():
                if not parts:
                    limit_silence(response, self._idle_timeout)
                parts.append(chunk)
                size += len(chunk)
                if size > MAX_TRANSLATED_BYTES:
                    raise worker_failures.too_large(model, MAX_TRANSLATED_BYTES)
        except TimeoutError as error:
            raise worker_failures.timed_out(model) from error
        except _READ_ERRORS as error:
            raise worker_failures.ended(model) from error
        return b"".join(parts)

    def _refuse_coding(self, response: aiohttp.ClientResponse) -> None:
        if response.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise worker_failures.not_http(self._call.model)

    def _note_usage(self) -> None:
        found = self._usage.usage()
        if found is not None:
            self.observation.usage(found.input, found.output)


def _with_server(headers: list[Header]) -> CIMultiDict[str]:
    made = CIMultiDict(headers)
    made[hdrs.SERVER] = SERVER
    return made
