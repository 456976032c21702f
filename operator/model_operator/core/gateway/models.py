"""What the gateway knows of a model and of its deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of a model, as ``status.deployments[].serving`` describes it.

    Attributes
    ----------
    namespace
        Namespace of the instance, its Service and its workers.
    instance, instance_uid
        Name and ``metadata.uid`` of the instance.
    name
        Name of the Deployment and of its Service.
    entry
        Its name in ``spec.deployments``; empty for the implied one.
    port
        Name of the Service's port that leads to the server.
    model_type, protocol
        What the model does, and the calling convention of its server.
    served_name
        Name by which the server knows the model; None when it takes any.
    predict_route, streaming_predict_route
        Paths of the server's own contract.
    apis
        The APIs under which it is registered.
    weight
        ``traffic_weight``, 0 to 100: its share of the requests that name the model alone.
    """

    namespace: str
    instance: str
    instance_uid: str
    name: str
    entry: str
    model_type: ModelType
    protocol: EndpointProtocol
    served_name: str | None
    predict_route: str
    streaming_predict_route: str
    apis: tuple[ModelApi, ...]
    weight: int = 100
    port: str = "http"

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, name and port of the Service, which are also those of its endpoints."""
        return self.namespace, self.name, self.port

    @property
    def id(self) -> str:
        """Identifier for the platform's API: a name-based UUID, the same over recreated children."""
        return str(uuid5(UUID(self.instance_uid), self.name))


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model.

    Attributes
    ----------
    namespace, name, uid
        The instance.
    created
        Time of its creation, in seconds since 1970.
    deployments
        Those that have an API, in the order of ``spec.deployments``.
    not_ready_reason, not_ready_detail
        Reason of the Ready condition, and what it says; empty while all workers are rolled out.
    bindings_schema
        JSON Schema of ``model_request_parameters``; None when the template declares none.
    template_kind, template
        Kind and name of the template that the instance is bound to; empty until it is.
    title
        Its name for people: ``display_name``, or else ``name`` of the specification; empty without them.
    """

    namespace: str
    name: str
    uid: str
    created: int
    deployments: tuple[Deployment, ...]
    not_ready_reason: str = ""
    not_ready_detail: str = ""
    bindings_schema: Mapping[str, Any] | None = None
    template_kind: str = ""
    template: str = ""
    title: str = ""

    @property
    def id(self) -> str:
        """Name of the model at the gateway, ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def apis(self) -> frozenset[ModelApi]:
        """The APIs of any of its deployments."""
        return frozenset(api for each in self.deployments for api in each.apis)
