"""One line for each request: the route, the caller, the result and the duration.

Never a body, a credential, or a text that the client chose: models and routes are those that are registered,
the username is the API server's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

log = structlog.get_logger("model_operator.gateway.access")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class AccessLine:
    """The facts about one answered request.

    Attributes
    ----------
    method, route
        HTTP method, and the name of the route; empty for a path that is none.
    status, error
        HTTP status of the answer; the code of the error, empty without one.
    seconds, first_byte_seconds
        Duration of the request, and until the first byte of its answer; None if there was none.
    caller
        Username; empty if the caller is not known.
    model, deployment
        The model, and the deployment that answered.
    attempts
        Workers that were tried.
    input_tokens, output_tokens
        As the worker says; None if it does not.
    """

    method: str
    route: str
    status: int
    seconds: float
    error: str = ""
    caller: str = ""
    model: str = ""
    deployment: str = ""
    attempts: int = 0
    first_byte_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def write(self) -> None:
        """Write it to the log."""
        facts: dict[str, object] = {
            "method": self.method if self.method in _METHODS else "other",
            "route": self.route,
            "status": int(self.status),
            "seconds": round(self.seconds, 6),
        }
        if self.first_byte_seconds is not None:
            facts["first_byte_seconds"] = round(self.first_byte_seconds, 6)
        for name in ("error", "caller", "model", "deployment", "attempts", "input_tokens", "output_tokens"):
            value = getattr(self, name)
            if value not in ("", None):
                facts[name] = value
        log.info("request", **facts)
