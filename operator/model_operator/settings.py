"""Settings of the operator: defaults, then ``MODEL_OPERATOR_*`` variables, then command-line options."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model_operator.core.templates.render_settings import RenderSettings


class LogFormat(StrEnum):
    """Format of log lines."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """Lowest severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class TemplateDryRun(StrEnum):
    """Which objects of a template are checked against the API server, by dry run with example parameters."""

    OFF = "off"
    DEPLOYMENT = "deployment"
    POD = "pod"
    """The Deployment and its Pod; without permission to create pods, only the Deployment."""


class LeaderElection(StrEnum):
    """Whether replicas elect a leader by a Lease."""

    AUTO = "auto"
    """On in a pod that uses its ServiceAccount for its own cluster."""
    ON = "on"
    OFF = "off"


NameList = Annotated[list[str], NoDecode]
"""A list that an environment variable holds as comma-separated names."""

BATCH_APPLIERS = (
    "system:serviceaccount:flux-system:kustomize-controller",
    "system:serviceaccount:flux-system:helm-controller",
    "system:serviceaccount:argocd:argocd-application-controller",
)
"""Service accounts that apply whole commits, by the default names of Flux and Argo CD."""

_NAME_FIELDS = ("free_metadata_domains", "gpu_resource_patterns")
"""Fields of the rendering settings that an environment variable holds as comma-separated names."""
_JSON_FIELDS = {
    "gpu_node_values": '{"nvidia-l4": "L4"}',
    "accelerators": '{"mi300x": {"resource": "amd.com/gpu"}}',
    "tolerations": '[{"key": "models", "operator": "Exists"}]',
    "gpu_tolerations": '[{"key": "gpus", "operator": "Exists"}]',
    "env": '{"HF_HOME": "/cache"}',
    "ca_bundle": '{"config_map": "ca-bundle"}',
}
"""Fields of the rendering settings that an environment variable holds as JSON, each with an example."""

SETTING_FAULT: Final = "setting"
"""Type of an error in a field of several settings: the context has its name, ``field``, and ``message``."""


def setting_fault(field: str, message: str) -> PydanticCustomError:
    """Return the error in a field of several settings, to be raised by a validator."""
    return PydanticCustomError(SETTING_FAULT, "{message}", {"field": field, "message": message})


def split_names(value: Any) -> Any:
    """Return comma-separated names as a list; other values as they are."""
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def _decoded(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # Without the text, which may have credentials of a proxy.
        raise setting_fault(name, f"must be JSON, such as {_JSON_FIELDS[name]}") from None


class AdmissionSettings(BaseModel):
    """The admission webhooks; each field is the variable ``MODEL_OPERATOR_ADMISSION__<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the webhooks; 0 disables them."""
    host: str = "0.0.0.0"  # noqa: S104 -- the API server calls the pod's address
    """Address that the webhooks listen on."""
    cert_dir: Path | None = None
    """Directory with tls.crt and tls.key that another component maintains, such as cert-manager. Without it
    the operator issues one, stores it in a Secret and sets caBundle in the webhook configurations."""
    token_file: Path | None = None
    """With cert_dir: file with the tokens, one per line; the path in each webhook configuration begins with
    one of them. Without this and client_ca_file, callers are not authenticated and learn less."""
    client_ca_file: Path | None = None
    """PEM file with the authorities that sign the API servers' client certificates. With it, callers without
    such a certificate are rejected."""
    namespace: str | None = None
    """Namespace of that Secret; the pod's own by default."""
    names: NameList = Field(default_factory=list)
    """More DNS names and IP addresses of the webhooks for the certificate, comma-separated."""
    warn_only_users: NameList = Field(default_factory=lambda: list(BATCH_APPLIERS))
    """Patterns (*, ?) of users, comma-separated. An instance of such a user that does not fit its template is
    admitted with a warning. Default: the service accounts of Flux and Argo CD."""
    max_connections: Annotated[int, Field(ge=8, le=4096)] = 256
    """Maximum number of connections to the webhooks' port; each takes up to 150 kB. At the maximum, a new
    connection replaces an idle one of the address with the most connections; without an idle one, the new
    connection is closed."""
    max_connections_per_address: Annotated[int, Field(ge=4, le=4096)] = 100
    """Maximum number of connections of one IPv4 address or one IPv6 /64 network. Raise it where many API
    servers share an address."""
    max_handshakes: Annotated[int, Field(ge=4, le=4096)] = 64
    """Maximum number of concurrent TLS handshakes."""
    max_reviews: Annotated[int, Field(ge=1, le=4096)] = 128
    """Maximum number of concurrent reviews, waiting ones included. Further reviews get 503, so that their
    writes are admitted unchecked."""
    max_body_bytes: Annotated[int, Field(ge=8 * 1024 * 1024)] = 16 * 1024 * 1024
    """Maximum total size, in bytes, of concurrent request bodies of 64 KiB or more. Further ones get 503. One
    body has at most 4 MiB."""

    @field_validator("names", "warn_only_users", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_names(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.token_file is not None and self.cert_dir is None:
            raise setting_fault(
                "token_file", "requires cert_dir; without it the operator issues and publishes a token"
            )
        return self


class LeaseSettings(BaseModel):
    """The Lease of leader election; each field is the variable ``MODEL_OPERATOR_LEASE__<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)] = (
        "model-operator"
    )
    """Name of the Lease. Operators in one namespace that serve different namespaces need different names."""
    namespace: str | None = None
    """Namespace of the Lease; the pod's own by default."""
    duration_seconds: Annotated[int, Field(ge=1)] = 15
    """Time without a renewal after which another replica takes over: the longest gap after a crash."""
    renew_deadline_seconds: Annotated[float, Field(gt=0)] = 10
    """Time since the last renewal after which the leader stops writing and exits."""
    retry_period_seconds: Annotated[float, Field(gt=0)] = 2
    """Time between two renewals."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.duration_seconds <= self.renew_deadline_seconds:
            raise setting_fault(
                "duration_seconds",
                f"must be more than renew_deadline_seconds, {self.renew_deadline_seconds:g}; "
                f"got {self.duration_seconds}",
            )
        if self.renew_deadline_seconds < 2 * self.retry_period_seconds:
            raise setting_fault(
                "renew_deadline_seconds",
                f"must be at least twice retry_period_seconds, {self.retry_period_seconds:g}; "
                f"got {self.renew_deadline_seconds:g}",
            )
        return self


class OperatorSettings(BaseSettings):
    """All settings; each field is the variable ``MODEL_OPERATOR_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="MODEL_OPERATOR_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    kubeconfig: Path | None = None
    """Kubeconfig file; without it $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."""
    context: str | None = None
    """Context of the kubeconfig; its current one by default."""
    namespaces: NameList = Field(default_factory=list)
    """Namespaces to serve, comma-separated; all when empty."""
    exclude_namespaces: NameList = Field(default_factory=list)
    """Patterns (*, ?) of namespaces that this operator ignores, comma-separated."""
    log_format: LogFormat = LogFormat.CONSOLE
    """console or json."""
    log_level: LogLevel = LogLevel.INFO
    """debug, info, warning or error."""
    health_host: str = "0.0.0.0"  # noqa: S104 -- the kubelet probes the pod's address
    """Address that /healthz, /readyz and /metrics listen on."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics; 0 disables them."""
    health_max_connections: Annotated[int, Field(ge=8, le=4096)] = 64
    """Maximum number of connections to that port; one address may have half of them."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Number of concurrent reconciles."""
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 15
    """Timeout of a request to the API server."""
    resync_seconds: Annotated[float, Field(ge=10)] = 600
    """Time between two comparisons of the caches with the API server."""
    stalled_after_seconds: Annotated[float, Field(ge=0, le=3600)] = 10
    """Time without a change of an instance and of its template after which a problem that another object may
    resolve, such as an edit of the template, makes the instance Stalled. Until then it is Reconciling."""
    template_dry_run: TemplateDryRun = TemplateDryRun.POD
    """Dry run of templates against the API server: pod (Pod and Deployment), deployment or off."""
    leader_election: LeaderElection = LeaderElection.AUTO
    """Leader election between replicas: on, off, or auto, which is on in a pod."""
    rendering: RenderSettings = Field(default_factory=RenderSettings)
    """The cluster's conventions, as variables MODEL_OPERATOR_RENDERING__<FIELD>."""

    admission: AdmissionSettings = Field(default_factory=AdmissionSettings)
    """The admission webhooks, as variables MODEL_OPERATOR_ADMISSION__<FIELD>."""

    lease: LeaseSettings = Field(default_factory=LeaseSettings)
    """The Lease of leader election, as variables MODEL_OPERATOR_LEASE__<FIELD>."""

    @field_validator("rendering", mode="before")
    @classmethod
    def _decode(cls, value: Any) -> Any:
        """Decode the nested fields that hold JSON or names; pydantic-settings leaves them as strings."""
        if not isinstance(value, dict):
            return value
        written = {name: value[name] for name in _JSON_FIELDS if isinstance(value.get(name), str)}
        names = {name: split_names(value[name]) for name in _NAME_FIELDS if name in value}
        return {**value, **names, **{name: _decoded(name, text) for name, text in written.items()}}

    @field_validator("namespaces", "exclude_namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_names(value)
