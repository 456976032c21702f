"""The fixtures of the tests of the platform's REST API."""

from __future__ import annotations

from tests.fixtures.rest import _gateway, _roles, author, platform, stub, text_template, wire

__all__ = ["_gateway", "_roles", "author", "platform", "stub", "text_template", "wire"]
