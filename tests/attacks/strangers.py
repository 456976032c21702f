"""Somebody who reaches the webhooks' port, and has no other right."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cluster.webhooks import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Stranger:
    """Calls the port as it likes.

    Attributes
    ----------
    port
        Of the webhooks, on 127.0.0.1.
    authority
        File with the authority of the serving certificate, which is no secret.
    """

    port: int
    authority: Path

    def send(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Give status and body of the answer to what is sent; the path goes out as it is."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(LOOPBACK, self.port, timeout=10, context=context)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, path: str, review: dict[str, Any]) -> dict[str, Any]:
        """Give the response to a review that is answered."""
        status, body = self.send(path, json.dumps(review).encode())
        assert status == 200, body
        response: dict[str, Any] = json.loads(body)["response"]
        return response
