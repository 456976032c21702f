"""The Service of a model, and the metadata of its children, as a template sets them."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt, StrictStr

from model_operator.api.enums import ServiceScheme, ServiceType, SessionAffinity
from model_operator.api.meta import GROUP, ApiModel
from model_operator.api.rules import IntOrString, Rule, keyed_by

_PORT_NAME = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_TARGET_NAME = "^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$"
_PROTOCOL = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"

RESERVED_KEYS = (
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "kubectl.kubernetes.io/last-applied-configuration",
)
"""Keys of labels and annotations that a template cannot set on children: the operator's own, that by which
Argo CD would take a child for a part of an application, and kubectl's."""
RESERVED_DOMAINS = (GROUP, "deployment.kubernetes.io")
"""Domains of such keys: the operator's, and that of Kubernetes' Deployment controller."""

_MAX_ENTRIES = 64
_MAX_PORT = 65535


def is_reserved_key(key: str) -> bool:
    """Whether a template cannot set the label or annotation on children."""
    domain = key.partition("/")[0] if "/" in key else ""
    return key in RESERVED_KEYS or any(
        domain == each or domain.endswith(f".{each}") for each in RESERVED_DOMAINS
    )


_NOT_RESERVED = Rule(
    "self.all(key, !(key in ["
    + ", ".join(f"'{key}'" for key in RESERVED_KEYS)
    + "]) && "
    + " && ".join(
        f"!key.startsWith('{domain}/') && !key.contains('.{domain}/')" for domain in RESERVED_DOMAINS
    )
    + ")",
    "keys of modeloperator.dev and deployment.kubernetes.io, app.kubernetes.io/managed-by, /component and "
    "/instance, and kubectl's last-applied-configuration are reserved; remove them",
    lambda entries: not any(map(is_reserved_key, entries)),
)
LABEL_KEYS = Rule(
    f"self.all(key, key.matches('{_KEY}'))",
    "each key must be a name of at most 63 letters, digits, '-', '_' and '.', with an optional domain and "
    "'/' before it",
    lambda entries: all(re.fullmatch(_KEY, key) for key in entries),
)
"""A rule on the keys of labels or annotations."""

LABEL_VALUES = Rule(
    f"self.all(key, self[key].matches('{_LABEL_VALUE}'))",
    "each value must be empty or have at most 63 letters, digits, '-', '_' and '.', with a letter or digit "
    "at both ends",
    lambda labels: all(map(is_child_label_value, labels.values())),
)
"""A rule on labels whose values take no references."""

ChildLabels = Annotated[
    dict[str, Annotated[str, Field(max_length=256)]],
    Field(max_length=_MAX_ENTRIES),
    LABEL_KEYS,
    _NOT_RESERVED,
    Rule(
        f"self.all(key, self[key].contains('$(') || self[key].matches('{_LABEL_VALUE}'))",
        "each value must be empty or have at most 63 letters, digits, '-', '_' and '.', with a letter or "
        "digit at both ends",
        lambda labels: all("$(" in value or is_child_label_value(value) for value in labels.values()),
    ),
]
"""Labels of children; values may contain references."""

ChildAnnotations = Annotated[
    dict[str, Annotated[str, Field(max_length=8192)]],
    Field(max_length=_MAX_ENTRIES),
    LABEL_KEYS,
    _NOT_RESERVED,
]
"""Annotations of children; values may contain references."""


def is_label_key(text: str) -> bool:
    """Whether the text is the key of a label."""
    return re.fullmatch(_KEY, text) is not None


def is_child_label_value(text: str) -> bool:
    """Whether the text is the value of a label; it may be empty."""
    return re.fullmatch(_LABEL_VALUE, text) is not None


class ChildMetadata(ApiModel):
    """Labels and annotations of the objects that the operator creates for a model; not of its pods."""

    labels: ChildLabels = Field(default_factory=dict)
    """Labels of Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget."""
    annotations: ChildAnnotations = Field(default_factory=dict)
    """Annotations of Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget."""


class ServicePort(ApiModel):
    """A port of the Service."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=63),
        Rule(
            f"self.matches('{_PORT_NAME}')",
            "must have lower-case letters, digits and '-' only, with a letter or digit at both ends",
            lambda name: re.fullmatch(_PORT_NAME, name) is not None,
        ),
    ]
    """Name of the port."""
    port: Annotated[int, Field(strict=True, ge=1, le=_MAX_PORT)]
    """Port of the Service."""
    target_port: (
        Annotated[
            StrictInt | StrictStr,
            IntOrString(max_length=15),
            Rule(
                # Names are left to webhook and reconciler, which look for the port in the containers: with
                # a regular expression in a list, the CRD would be too costly for API servers such as 1.30's.
                f"type(self) != int || (self >= 1 && self <= {_MAX_PORT})",
                "must be the number or the name of a port of a container",
                lambda port: (
                    1 <= port <= _MAX_PORT
                    if isinstance(port, int)
                    else re.fullmatch(_TARGET_NAME, port) is not None
                ),
            ),
        ]
        | None
    ) = None
    """Number or name of a port of a container. Default: the served port of the container `model`."""
    app_protocol: (
        Annotated[
            str,
            Field(max_length=316),
            Rule(
                f"self.matches('{_PROTOCOL}')",
                "must be a protocol, such as http, grpc or kubernetes.io/h2c",
                lambda protocol: re.fullmatch(_PROTOCOL, protocol) is not None,
            ),
        ]
        | None
    ) = None
    """Application protocol, a hint for meshes and gateways, such as `grpc` or `kubernetes.io/h2c`."""


class ServiceConfig(ApiModel):
    """The Service of a model."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.headless) || !self.headless || !has(self.type) || self.type == 'ClusterIP'",
            "headless is only for the type ClusterIP; remove one of the two",
            lambda service: not service.headless or service.type in (None, ServiceType.CLUSTER_IP),
            field="headless",
        ),
        Rule(
            "!has(self.headless) || !self.headless || !has(self.session_affinity) || "
            "self.session_affinity == 'None'",
            "session_affinity has no effect on a headless Service; remove one of the two",
            lambda service: not service.headless or service.session_affinity in (None, SessionAffinity.NONE),
            field="session_affinity",
        ),
        Rule(
            "!has(self.ports) || self.ports.all(a, self.ports.exists_one(b, a.port == b.port))",
            "each port must have another number",
            lambda service: len({port.port for port in service.ports or ()}) == len(service.ports or ()),
            field="ports",
        ),
    )

    type: ServiceType | None = None
    """Type of the Service. Built-in default: ClusterIP. There is no ExternalName, which leads to no pods."""
    ports: Annotated[list[ServicePort], Field(min_length=1, max_length=16), keyed_by("name")] | None = None
    """Ports; the URL of the model has the first one. Built-in default: one, named like `scheme`, with the
    number 80, or 443 for https; that of the container if the Service is headless."""
    labels: ChildLabels = Field(default_factory=dict)
    """Labels, beside those of `metadata`."""
    annotations: ChildAnnotations = Field(default_factory=dict)
    """Annotations, beside those of `metadata`, such as those that configure a load balancer."""
    headless: StrictBool | None = None
    """Whether the Service has no address of its own, and its name resolves to the workers. A change replaces
    the Service. Built-in default: false."""
    session_affinity: SessionAffinity | None = None
    """ClientIP sends the requests of one client to the same worker. Built-in default: None."""
    scheme: ServiceScheme | None = None
    """Scheme of the model's URL, which is how the container serves. With https, the built-in probes use TLS;
    with grpc, they are gRPC health checks unless `healthcheck_route` is set. Built-in default: http."""
