"""Settings of the operator: command-line options over ``MODEL_OPERATOR_*`` variables over defaults."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model_operator.core.templates.render_settings import RenderSettings


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


class TemplateDryRun(StrEnum):
    """What of a template is tried on the API server, by dry-run with example parameters."""

    OFF = "off"
    DEPLOYMENT = "deployment"
    POD = "pod"
    """The Deployment and its Pod, which needs the right to create pods; without it only the Deployment."""


class LeaderElection(StrEnum):
    """Whether replicas agree by a Lease on the one that works."""

    AUTO = "auto"
    """In a pod that speaks to its own cluster as its ServiceAccount."""
    ON = "on"
    OFF = "off"


NameList = Annotated[list[str], NoDecode]
"""A list that an environment variable gives as names between commas."""

BATCH_APPLIERS = (
    "system:serviceaccount:flux-system:kustomize-controller",
    "system:serviceaccount:flux-system:helm-controller",
    "system:serviceaccount:argocd:argocd-application-controller",
)
"""Who applies whole commits, under the names that Flux and Argo CD install with."""

_JSON_FIELDS = ("gpu_node_values", "tolerations", "gpu_tolerations")
"""Fields of the rendering's settings that an environment variable gives as JSON."""


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


class AdmissionSettings(BaseModel):
    """The admission webhooks; each field is the variable ``MODEL_OPERATOR_ADMISSION__<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the webhooks; 0 turns them off."""
    host: str = "0.0.0.0"  # noqa: S104 -- the API server calls the pod's address
    """Address that the webhooks listen on."""
    cert_dir: Path | None = None
    """Folder with tls.crt and tls.key that somebody else keeps, such as cert-manager; without it the operator
    makes a certificate, keeps it in a Secret and tells the API server of it."""
    token_file: Path | None = None
    """With cert_dir: file with the tokens, one a line, of which one begins the path in each webhook
    configuration. Without it and client_ca_file, callers are not authenticated and learn less."""
    client_ca_file: Path | None = None
    """PEM file with the authorities that sign the API servers' client certificates. With it, nobody else is
    served."""
    namespace: str | None = None
    """Namespace of that Secret; the pod's own by default."""
    names: NameList = Field(default_factory=list)
    """Further DNS names and IP addresses by which the webhooks are called, separated by commas."""
    warn_only_users: NameList = Field(default_factory=lambda: list(BATCH_APPLIERS))
    """Patterns (*, ?) of users, separated by commas, whose instances are let in with a warning when they do
    not fit their template. Default: the service accounts of Flux and Argo CD."""
    max_connections: Annotated[int, Field(ge=8, le=4096)] = 256
    """Connections to the webhooks' port in all; each takes up to 150 kB. When there are as many, idle
    connections of the address that has the most make way for new ones, and without any the new one is
    closed."""
    max_connections_per_address: Annotated[int, Field(ge=4, le=4096)] = 100
    """Connections of one IPv4 address or one IPv6 /64 network. Raise it where many API servers share an
    address."""
    max_handshakes: Annotated[int, Field(ge=4, le=4096)] = 64
    """TLS handshakes under way."""
    max_reviews: Annotated[int, Field(ge=1, le=4096)] = 128
    """Reviews that wait or are judged at a time. More are answered by 503, which lets their writes in
    unchecked."""
    max_body_bytes: Annotated[int, Field(ge=8 * 1024 * 1024)] = 16 * 1024 * 1024
    """Bytes of bodies of 64 KiB and more that are held at a time. More are answered by 503. One has 4 MiB
    at most."""

    @field_validator("names", "warn_only_users", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _split(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.token_file is not None and self.cert_dir is None:
            raise ValueError(
                "token_file takes cert_dir; without that the operator makes and publishes a token"
            )
        return self


class LeaseSettings(BaseModel):
    """The Lease of leader election; each field is the variable ``MODEL_OPERATOR_LEASE__<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)] = (
        "model-operator"
    )
    """Name of the Lease. Operators that serve different namespaces from the same one need a name each."""
    namespace: str | None = None
    """Namespace of the Lease; the pod's own by default."""
    duration_seconds: Annotated[int, Field(ge=1)] = 15
    """Time without a renewal after which another replica takes over: the longest gap after a crash."""
    renew_deadline_seconds: Annotated[float, Field(gt=0)] = 10
    """Time after a renewal after which the leader writes nothing more, and ends."""
    retry_period_seconds: Annotated[float, Field(gt=0)] = 2
    """Time between two renewals."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.duration_seconds <= self.renew_deadline_seconds:
            raise ValueError(
                "duration_seconds must be more than renew_deadline_seconds, "
                f"{self.renew_deadline_seconds:g}; got {self.duration_seconds}"
            )
        if self.renew_deadline_seconds < 2 * self.retry_period_seconds:
            raise ValueError(
                "renew_deadline_seconds must be at least twice retry_period_seconds, "
                f"{self.retry_period_seconds:g}; got {self.renew_deadline_seconds:g}"
            )
        return self


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
    """Address that /healthz, /readyz and /metrics listen on."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics; 0 turns them off."""
    health_max_connections: Annotated[int, Field(ge=8, le=4096)] = 64
    """Connections to that port in all, of which one address may have half."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Instances that are worked on at the same time."""
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 15
    """Time after which a request to the API server counts as unanswered."""
    resync_seconds: Annotated[float, Field(ge=10)] = 600
    """Time between two comparisons of the caches with the API server."""
    template_dry_run: TemplateDryRun = TemplateDryRun.POD
    """What of a template is tried on the API server: pod (the Deployment too), deployment or off."""
    leader_election: LeaderElection = LeaderElection.AUTO
    """Whether replicas agree on the one that works: on, off, or auto, which is on in a pod."""
    rendering: RenderSettings = Field(default_factory=RenderSettings)
    """The cluster's conventions, as variables MODEL_OPERATOR_RENDERING__<FIELD>."""

    admission: AdmissionSettings = Field(default_factory=AdmissionSettings)
    """The admission webhooks, as variables MODEL_OPERATOR_ADMISSION__<FIELD>."""

    lease: LeaseSettings = Field(default_factory=LeaseSettings)
    """The Lease of leader election, as variables MODEL_OPERATOR_LEASE__<FIELD>."""

    @field_validator("rendering", mode="before")
    @classmethod
    def _decode(cls, value: Any) -> Any:
        """Read the nested fields that are no single words; pydantic-settings leaves them as written."""
        if not isinstance(value, dict):
            return value
        written = {name: value[name] for name in _JSON_FIELDS if isinstance(value.get(name), str)}
        return {**value, **{name: json.loads(text) for name, text in written.items()}}

    @field_validator("namespaces", "exclude_namespaces", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _split(value)
