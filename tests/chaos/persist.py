"""Requests of users, who try again while the API server or its storage is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import urllib3

from tests.cluster.kube_api import KubeApiError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
AWAY_SECONDS = 120.0
PASSING = frozenset({401, 403, 429, 500, 502, 503, 504})


def persist(request: Callable[[], T]) -> T:
    """Send a request until it is answered; it may be sent twice."""
    end = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return request()
        except (urllib3.exceptions.HTTPError, OSError):
            if time.monotonic() > end:
                raise
        except KubeApiError as error:
            if error.code not in PASSING or time.monotonic() > end:
                raise
        time.sleep(0.1)
