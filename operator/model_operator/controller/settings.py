"""Settings of the operator: command-line options over ``MODEL_OPERATOR_*`` variables over defaults."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model_operator.core.rendering import RenderSettings


class LogFormat(StrEnum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


NameList = Annotated[list[str], NoDecode]
"""A list that an environment variable gives as names between commas."""


class OperatorSettings(BaseSettings):
    """Everything that can be set; each field is the variable ``MODEL_OPERATOR_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="MODEL_OPERATOR_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    kubeconfig: Path | None = None
    """Kubeconfig file; without it $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."""
    context: str | None = None
    """Context of the kubeconfig; its current one by default."""
    namespaces: NameList = Field(default_factory=list)
    """Namespaces to serve, separated by commas; all when empty."""
    exclude_namespaces: NameList = Field(default_factory=list)
    """Patterns (*, ?) of namespaces to leave to another operator, separated by commas."""
    log_format: LogFormat = LogFormat.CONSOLE
    """console or json."""
    log_level: LogLevel = LogLevel.INFO
    """debug, info, warning or error."""
    health_host: str = "0.0.0.0"  # noqa: S104 -- the kubelet probes the pod's address
    """Address that /healthz listens on."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz; 0 turns it off."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Instances that are worked on at the same time."""
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 15
    """Time after which a request to the API server counts as unanswered."""
    resync_seconds: Annotated[float, Field(ge=10)] = 600
    """Time between two comparisons of the caches with the API server."""
    rendering: RenderSettings = Field(default_factory=RenderSettings)
    """The cluster's conventions, as variables MODEL_OPERATOR_RENDERING__<FIELD>."""

    @field_validator("namespaces", "exclude_namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return value
