"""What observes requests to the API server: for metrics, which this package does not import."""

from __future__ import annotations

from typing import Protocol

import aiohttp
from yarl import URL


class Observation(Protocol):
    """The observation of one request; one of its methods is called, once."""

    def answered(self, status: int) -> None:
        """Take the HTTP status of the response."""

    def failed(self, error: BaseException) -> None:
        """Take the error instead of a response; `asyncio.CancelledError` if its caller was cancelled."""


class Observer(Protocol):
    """Observes the requests of a connection."""

    def started(self, method: str, url: URL, content_type: str) -> Observation:
        """Begin the observation of a request, before it is sent.

        Parameters
        ----------
        method, url
            The request.
        content_type
            ``Content-Type`` of its body; empty without one.
        """

    def trace(self) -> aiohttp.TraceConfig:
        """Return a trace configuration that does the same for the requests of a session."""
