"""The chat server of ``examples/`` on a real node."""

from __future__ import annotations

from tests.cluster.examples import Example

CHAT = Example("chat-server")
TEMPLATE = "chat-server"
