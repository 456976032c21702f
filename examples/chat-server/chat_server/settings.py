"""What the environment says: the model's file, and how it is served."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Settings(BaseModel):
    """Settings, each from the environment variable of its name in capitals; an empty one counts as unset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_file: Path
    """The weights, a GGUF file."""
    served_name: Annotated[str, Field(min_length=1, max_length=512)] = "gemma-3-270m"
    """The value of ``model`` in responses; requests may have any."""
    context_length: Annotated[int, Field(ge=128, le=32768)] = 1024
    """Tokens of one request, prompt and answer together."""
    max_tokens: Annotated[int, Field(ge=1, le=32768)] = 256
    """Tokens of an answer, for requests that set no ``max_tokens``."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """For requests that set none; 0 always gives the same answer."""
    parallel: Annotated[int, Field(ge=1, le=32)] = 2
    """Requests that are answered at once; others wait."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads that compute."""
    host: str = "0.0.0.0"  # noqa: S104 -- the network of a container is its own
    """The address that is listened on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5005
    finish_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long after SIGTERM running requests may take to end."""


class SettingsError(Exception):
    """A setting cannot be used; the message is one line and names the variable."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        When a variable is missing or wrong, or the model's file does not exist.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    if "model_file" not in given:
        raise SettingsError("MODEL_FILE is not set: expected the path of a GGUF file.")
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{name.upper()}={given[name]!r}: {first['msg']}.") from None
    if not settings.model_file.is_file():
        raise SettingsError(f"MODEL_FILE={str(settings.model_file)!r}: expected a file, found none.")
    return settings
