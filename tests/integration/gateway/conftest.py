"""The fixtures of the gateway's tests."""

from __future__ import annotations

from tests.fixtures.gateway import _gateway, chat, gateway, key, stub

__all__ = ["_gateway", "chat", "gateway", "key", "stub"]
