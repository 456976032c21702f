"""``/metrics``: the response to a scrape."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_FRESH_SECONDS = 1.0


class MetricsPage:
    """Renders all metrics in the Prometheus text format.

    Rendering iterates over all instances in the main loop, and any client that reaches the port may request
    it. Therefore one page is reused for a second.

    Attributes
    ----------
    HEADERS
        Headers of the response.

    Parameters
    ----------
    registry
        The metrics.
    now
        Seconds from any start.
    """

    HEADERS: ClassVar = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._now = now
        self._made_at = float("-inf")
        self._body = b""

    def body(self) -> bytes:
        """Return the body; to be called in the main loop, which writes the caches."""
        now = self._now()
        if now - self._made_at >= _FRESH_SECONDS:
            self._body, self._made_at = generate_latest(self._registry), now
        return self._body
