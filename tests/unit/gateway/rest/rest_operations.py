"""The operations of a gateway on deployments and templates, over an API server in memory."""

from __future__ import annotations

import json
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from aiohttp import web

from model_operator.core.gateway.rest.control_routes import Operation
from model_operator.gateway.rest.control_call import ControlCall
from model_operator.gateway.rest.creation import Creation
from model_operator.gateway.rest.deployment_operations import DeploymentOperations
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.model_operations import ModelOperations
from model_operator.gateway.rest.template_operations import TemplateOperations
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    ResourceKind,
)
from tests.unit.gateway.rest.cluster import NOW, Cluster, control_call

Object = dict[str, Any]
ALL = "get list create update delete"
USER = "ada@example.com"
KINDS = {each.kind: each for each in (MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


class Rest:
    """An API server, on which one user may do everything, and a gateway that watches it."""

    def __init__(self, *objects: Object, ready_seconds: float = 5) -> None:
        self.cluster = Cluster()
        self.cluster.allow(USER, ALL, "")
        self.tables = self.cluster.replica()
        labels = {"modeloperator.dev/account-id": "acc-1"}
        self.tables.put_namespace({"metadata": {"name": "team-a", "labels": labels}})
        for each in objects:
            self.store(each)
        identity = self.cluster.identity()
        lookup = Lookup(self.tables, identity)
        creation = Creation(self.tables, identity, lambda: NOW)
        self.models = ModelOperations(self.tables, lookup, creation)
        self.deployments = DeploymentOperations(self.tables, lookup, self.models, ready_seconds)
        self.templates = TemplateOperations(self.tables, identity, lookup, creation)

    def store(self, obj: Object) -> Object:
        """Store an object; the watch brings it."""
        return self.cluster.store(KINDS[obj["kind"]], obj)

    def report(self, name: str, *deployments: Object) -> Object:
        """Have the operator report the deployments of an instance as it is now."""
        live = deepcopy(self.live(name))
        status = {"observedGeneration": live["metadata"]["generation"], "deployments": list(deployments)}
        return self.store({**live, "status": status})

    def live(self, name: str = "minilm", kind: ResourceKind = MODEL_INSTANCES) -> Object:
        """Give an object of the namespace team-a as the API server has it."""
        return self.cluster.objects[kind.plural, "team-a", name]

    def call(self, body: Any = None, query: str = "", headers: Any = None, **variables: str) -> ControlCall:
        """Give a request of the user."""
        pairs = dict(part.split("=") for part in query.split("&") if part)
        return control_call(
            self.cluster,
            Operation.NOT_IMPLEMENTED,
            user=USER,
            body=body,
            query=pairs,
            headers=headers,
            **variables,
        )


def read(response: object) -> Any:
    """Give the JSON of a response."""
    assert isinstance(response, web.Response)
    assert response.status == HTTPStatus.OK
    assert isinstance(response.body, bytes)
    return json.loads(response.body)
