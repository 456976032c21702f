"""Settings of the way from the gateway to a worker and back."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from model_operator.core.gateway.balancing import Limits

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class ProxySettings(BaseModel):
    """Time limits, requests in flight; each field is a variable ``MODEL_OPERATOR_GATEWAY_PROXY__<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect_timeout: Seconds = 2
    """Seconds to connect to a worker; then another worker is tried."""
    first_byte_timeout: Seconds = 600
    """Seconds from a request to the headers of the worker's response, and from these to the first byte of its
    body. There is no limit of the whole time of a request."""
    idle_timeout: Seconds = 300
    """Seconds between two chunks of a response, and for a client to take a chunk."""
    idle_connection_seconds: Annotated[float, Field(gt=0, le=3600)] = 4
    """Seconds for which an idle connection to a worker is kept for reuse. It must be less than the servers'
    own limit: uvicorn and vLLM close a connection after 5 seconds."""
    max_in_flight_per_worker: Annotated[int, Field(ge=0)] = 1024
    """Maximum number of requests in flight of a deployment for each of its ready workers; further ones get
    429. 0 means no limit."""

    def limits(self) -> Limits:
        """Return the limits of a deployment's workers."""
        return Limits(self.max_in_flight_per_worker)
