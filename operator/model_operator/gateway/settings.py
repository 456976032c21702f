"""Settings of the gateway: defaults, then ``MODEL_OPERATOR_GATEWAY_*`` variables, then options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.gateway.proxy_settings import ProxySettings
from model_operator.settings import LogFormat, LogLevel, NameList, setting_fault, split_names

_MEBIBYTE = 1024 * 1024


class GatewaySettings(BaseSettings):
    """All settings of the gateway; each field is the variable ``MODEL_OPERATOR_GATEWAY_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="MODEL_OPERATOR_GATEWAY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    kubeconfig: Path | None = None
    """Kubeconfig file; without it $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."""
    context: str | None = None
    """Context of the kubeconfig; its current one by default."""
    namespaces: NameList = Field(default_factory=list)
    """Namespaces whose models are registered and which are accounts of the REST API, comma-separated; all
    when empty."""
    log_format: LogFormat = LogFormat.CONSOLE
    """console or json."""
    log_level: LogLevel = LogLevel.INFO
    """debug, info, warning or error."""
    host: str = "0.0.0.0"  # noqa: S104 -- clients call the pod's address
    """Address that the API listens on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Port of the API."""
    tls_cert_file: Path | None = None
    """PEM file with the certificate of the API and its chain; read again when it changes. Without it, the
    API is plain HTTP: tokens travel as they are, so keep it inside the cluster."""
    tls_key_file: Path | None = None
    """PEM file with the key of that certificate."""
    health_host: str = "0.0.0.0"  # noqa: S104 -- the kubelet probes the pod's address
    """Address that /healthz, /readyz and /metrics listen on."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Port of /healthz, /readyz and /metrics; 0 disables them."""
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 15
    """Timeout of a request to the API server."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 32 * _MEBIBYTE
    """Maximum size of a request's body, in bytes; larger ones get 413."""
    max_buffered_bytes: Annotated[int, Field(ge=1024)] = 512 * _MEBIBYTE
    """Maximum total size, in bytes, of the bodies of concurrent requests; further ones get 503."""
    max_connections: Annotated[int, Field(ge=16)] = 10_000
    """Maximum number of connections. At the maximum, a new one replaces one without a request; without such
    a connection, the new one is closed."""
    max_connections_per_address: Annotated[int, Field(ge=16)] = 10_000
    """Maximum number of connections of one IPv4 address or one IPv6 /64 network. Clients behind a load
    balancer may all have its address."""
    body_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """Time without a byte of a request's body, and for its headers to arrive; then the connection ends."""
    max_requests: Annotated[int, Field(ge=1)] = 10_000
    """Maximum number of concurrent requests; further ones get 503."""
    drain_seconds: Annotated[float, Field(ge=0)] = 5
    """Time between SIGTERM, from which on /readyz fails, and the end of accepting connections."""
    shutdown_seconds: Annotated[float, Field(ge=0)] = 600
    """Time that running requests have to end after that."""

    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    """Callers and their rights, as variables MODEL_OPERATOR_GATEWAY_IDENTITY__<FIELD>."""

    proxy: ProxySettings = Field(default_factory=ProxySettings)
    """Requests to workers, as variables MODEL_OPERATOR_GATEWAY_PROXY__<FIELD>."""

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_names(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing, other = (
                ("tls_cert_file", "tls_key_file")
                if self.tls_cert_file is None
                else ("tls_key_file", "tls_cert_file")
            )
            message = f"is required with MODEL_OPERATOR_GATEWAY_{other.upper()}; give both or neither"
            raise setting_fault(missing, message)
        if self.port == self.health_port:
            raise setting_fault("health_port", f"must differ from the port of the API, {self.port}")
        return self
