"""Settings of how the gateway authenticates and authorizes its callers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from model_operator.core.gateway.access import DEFAULT_AUDIENCE


class IdentitySettings(BaseModel):
    """Keys of callers; each field is the variable ``MODEL_OPERATOR_GATEWAY_IDENTITY__<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Annotated[str, Field(min_length=1, max_length=253)] = DEFAULT_AUDIENCE
    """Audience of keys that are for the gateway alone; the API server refuses them. Tokens for the API server
    are accepted, too."""
    allowed_seconds: Annotated[float, Field(ge=1, le=300)] = 10
    """Time for which the gateway uses an answer that accepts a key, or allows a model, before it asks the API
    server again."""
    denied_seconds: Annotated[float, Field(ge=1, le=300)] = 10
    """The same for an answer that refuses."""
    grace_seconds: Annotated[float, Field(ge=0, le=3600)] = 300
    """Time since the last answer for which accepted keys and allowed models stay so while the API server does
    not respond; 0 refuses them at once."""
    max_entries: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Maximum number of keys, and of pairs of a user and a model, whose answers are kept."""
    unknown_per_second: Annotated[float, Field(gt=0, le=1000)] = 20
    """Maximum number of unknown keys a second that are reviewed, in the long run; further ones get 503."""
    unknown_burst: Annotated[int, Field(ge=1, le=10_000)] = 50
    """The same at once, after a pause."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5
    """Time after which the API server counts as not responding to a review."""
