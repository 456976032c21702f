"""Clients that call a chat model without a pause, by the unmodified client of OpenAI."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

import openai

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUESTION = "What is the capital of France?"
FULL_LENGTH: dict[str, Any] = {"ignore_eos": True, "stop": ["\x01"]}
"""Has llama.cpp's server answer with as many tokens as it may, for streams that take their time."""
CLIENT_SECONDS = 120.0
FAILURE_PAUSE_SECONDS = 0.2


class CutError(Exception):
    """A stream ended before its answer did."""


def client(url: str, key: str, *, retries: int = 0) -> openai.OpenAI:
    """Return OpenAI's client for a gateway.

    Parameters
    ----------
    url
        The gateway's, without a path.
    key
        A key of ``kubectl model key create``.
    retries
        How often the client repeats a request that failed.
    """
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=retries, timeout=CLIENT_SECONDS)


def chat(given: openai.OpenAI, model: str, **body: Any) -> Iterator[str]:
    """Yield the pieces of a streamed answer as they arrive.

    Raises
    ------
    CutError
        When the stream ends without the reason why the answer ends.
    openai.OpenAIError
        Whatever the client raises.
    """
    messages: Any = [{"role": "user", "content": QUESTION}]
    reason = None
    with given.chat.completions.create(model=model, messages=messages, stream=True, **body) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                if choice.delta.content:
                    yield choice.delta.content
    if reason is None:
        raise CutError("the stream ended without a finish_reason")


class Streams:
    """Clients that each stream one answer after the other, and one that has answers whole; a context manager.

    Parameters
    ----------
    url, key
        The gateway's, and for it.
    model
        The model.
    clients
        How many stream at once.
    tokens
        Length of each streamed answer.
    """

    def __init__(self, url: str, key: str, model: str, *, clients: int = 2, tokens: int = 40) -> None:
        self.streams = 0
        """Streams that arrived from the first to the last token."""
        self.requests = 0
        """Requests without a stream that were answered."""
        self.failures: list[str] = []
        """What went wrong with others."""
        self._url, self._key, self._model, self._tokens = url, key, model, tokens
        self._stop_asked = threading.Event()
        self._spans: list[tuple[float, float]] = []
        self._lock = threading.Lock()
        self._begun = threading.Semaphore(0)
        self._threads = [
            *(threading.Thread(target=self._run, args=(self._stream,)) for _ in range(clients)),
            threading.Thread(target=self._run, args=(self._request,)),
        ]

    def _run(self, once: Callable[[openai.OpenAI], None]) -> None:
        with client(self._url, self._key) as given:
            while not self._stop_asked.is_set():
                try:
                    once(given)
                except (openai.OpenAIError, CutError) as error:
                    with self._lock:
                        self.failures.append(f"{once.__name__.strip('_')}: {error!r}")
                    time.sleep(FAILURE_PAUSE_SECONDS)

    def _stream(self, given: openai.OpenAI) -> None:
        pieces, begin = 0, time.monotonic()
        for _ in chat(given, self._model, max_tokens=self._tokens, extra_body=FULL_LENGTH):
            pieces += 1
            if pieces == 1:
                self._begun.release()
        if pieces < self._tokens // 2:
            raise CutError(f"expected an answer in about {self._tokens} pieces, got {pieces}")
        with self._lock:
            self.streams += 1
            self._spans.append((begin, time.monotonic()))

    def _request(self, given: openai.OpenAI) -> None:
        messages: Any = [{"role": "user", "content": QUESTION}]
        answer = given.chat.completions.create(model=self._model, messages=messages, max_tokens=2)
        if not answer.choices[0].message.content:
            raise CutError("the answer is empty")
        self._begun.release()
        with self._lock:
            self.requests += 1

    def spanning(self, moment: float) -> int:
        """Count the streams that began before a moment of the monotonic clock, and ended whole after it."""
        with self._lock:
            return sum(begin < moment < end for begin, end in self._spans)

    def stop(self) -> str:
        """Let what runs end, and say what the clients counted."""
        self._stop_asked.set()
        for thread in self._threads:
            thread.join()
        return (
            f"{self.streams} streams and {self.requests} other requests, {len(self.failures)} cut or failed"
        )

    def __enter__(self) -> Self:
        """Start, and wait until each client is answered."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._begun.acquire(timeout=CLIENT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
