"""What the environment says: the model, and how it is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedding_server.models import MODELS

ModelType = Literal["EMBEDDING", "RERANKING"]


class Settings(BaseModel):
    """Settings, each from the environment variable of its name in capitals; an empty one counts as unset."""

    model_config = ConfigDict(frozen=True)

    model_name: str
    """One of `MODELS`."""
    model_type: ModelType = "EMBEDDING"
    """The contract that is served."""
    normalize: bool = True
    """Whether embeddings have length 1, unless a request says otherwise."""
    batch_size: Annotated[int, Field(ge=1, le=256)] = 8
    """Texts that are computed at once: more are faster and need more memory."""
    max_tokens: Annotated[int, Field(ge=8)] | None = None
    """Tokens of a text that count; the rest is cut off. Default: what the model was trained for."""
    port: Annotated[int, Field(ge=0, le=65535)] = 5005
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 3.0
    """How long requests are still taken after SIGTERM: clients learn only then that the endpoint goes."""


class SettingsError(Exception):
    """A setting cannot be used; the message is one line and names the variable."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        When a variable is missing or wrong.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    known = f"expected one of {', '.join(MODELS)}"
    if "model_name" not in given:
        raise SettingsError(f"MODEL_NAME is not set: {known}.")
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{name.upper()}={given[name]!r}: {first['msg']}.") from None
    if settings.model_name not in MODELS:
        raise SettingsError(f"MODEL_NAME={settings.model_name!r}: {known}.")
    limit = MODELS[settings.model_name].token_limit
    if settings.max_tokens is not None and settings.max_tokens > limit:
        raise SettingsError(f"MAX_TOKENS={settings.max_tokens}: {settings.model_name} takes at most {limit}.")
    return settings
