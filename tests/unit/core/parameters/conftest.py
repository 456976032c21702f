"""Nothing that concerns parameters may open a connection or a file of the schema's choosing."""

from __future__ import annotations

import socket
import urllib.request
from typing import Any, NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        pytest.fail("tried to fetch something")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
