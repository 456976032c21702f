"""The registered models, taken from the ModelInstances that the gateway watches.

A model is registered by what the operator reports of the revision that runs, which is
``status.deployments[].serving``, never by its template, which may be ahead of the workers during a roll-out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from sys import intern
from typing import Any, Final
from urllib.parse import quote

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.objects.gateway_label import is_opted_out
from model_operator.core.reasons.reasons import Reason
from model_operator.core.templates.contracts import REQUEST_PARAMETERS
from model_operator.core.values.json_values import wire_json

_DEFAULT_WEIGHT: Final = 100
_WEIGHT_OF_LEFT: Final = 1
_DEFAULT_PORT: Final = "http"
_DEFAULT_ROUTE: Final = "/predict"
_MAX_SCHEMAS: Final = 1000
_KEPT_IN_PATH: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")

Key = tuple[str, str]
"""Namespace and name."""


class Catalog:
    """The registered models by every name that a request may use."""

    def __init__(self) -> None:
        self._models: dict[Key, Model] = {}
        self._by_name: defaultdict[str, set[Key]] = defaultdict(set)
        self._by_uid: dict[str, Key] = {}
        self._by_deployment: dict[str, tuple[Key, str]] = {}
        self._schemas: dict[bytes, Mapping[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[Model]:
        return iter(list(self._models.values()))

    def ids(self) -> set[str]:
        """Return the ids of all registered models."""
        return {model.id for model in self._models.values()}

    def get(self, namespace: str, name: str) -> Model | None:
        """Return the model of an instance."""
        return self._models.get((namespace, name))

    def named(self, name: str) -> list[Model]:
        """Return the models of that name in all namespaces, sorted by namespace."""
        return [self._models[key] for key in sorted(self._by_name.get(name, ()))]

    def by_uid(self, uid: str) -> Model | None:
        """Return the model of the instance with that ``metadata.uid``."""
        key = self._by_uid.get(uid)
        return None if key is None else self._models[key]

    def by_deployment(self, deployment_id: str) -> tuple[Model, Deployment] | None:
        """Return the deployment with that id, and its model."""
        found = self._by_deployment.get(deployment_id)
        if found is None:
            return None
        model = self._models[found[0]]
        return next(((model, each) for each in model.deployments if each.name == found[1]), None)

    def put(self, instance: Mapping[str, Any]) -> Model | None:
        """Register an instance, or remove it when it has no API; return its model.

        Parameters
        ----------
        instance
            The object as the API server sends it, in its newest version.
        """
        metadata = instance["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        self.remove(*key)
        model = model_of(instance)
        if model is None:
            return None
        model = self._shared(model)
        self._models[key] = model
        self._by_name[model.name].add(key)
        self._by_uid[model.uid] = key
        for each in model.deployments:
            self._by_deployment[each.id] = key, each.name
        return model

    def remove(self, namespace: str, name: str) -> None:
        """Remove the model of an instance, if it is registered."""
        key = namespace, name
        model = self._models.pop(key, None)
        if model is None:
            return
        names = self._by_name[name]
        names.discard(key)
        if not names:
            del self._by_name[name]
        self._by_uid.pop(model.uid, None)
        for each in model.deployments:
            self._by_deployment.pop(each.id, None)

    def _shared(self, model: Model) -> Model:
        """Return the model with the schema of its siblings: all instances of a template have the same one."""
        if model.bindings_schema is None:
            return model
        if len(self._schemas) >= _MAX_SCHEMAS:
            self._schemas.clear()
        text = wire_json(model.bindings_schema)
        schema = self._schemas.setdefault(text, model.bindings_schema)
        return replace(model, bindings_schema=schema)


def model_of(instance: Mapping[str, Any]) -> Model | None:
    """Return what is registered of an instance; None when nothing is.

    Parameters
    ----------
    instance
        A ModelInstance as the API server sends it; fields that are not as the CRD says are left out.
    """
    metadata, status = instance["metadata"], _mapping(instance.get("status"))
    if metadata.get("deletionTimestamp") or is_opted_out(metadata.get("labels")):
        return None
    spec = _mapping(instance.get("spec"))
    namespace, name, uid = metadata.get("namespace", ""), metadata["name"], metadata["uid"]
    entries = _entries(name, spec)
    if entries:
        # A renamed deployment serves until another can replace it: alone until then, hardly afterwards.
        for each in _items(status.get("deployments")):
            left = str(each.get("name"))
            entries.setdefault(left, (left.removeprefix(f"{name}-"), _WEIGHT_OF_LEFT))
    found = {
        str(each.get("name")): deployment
        for each in _items(status.get("deployments"))
        if (deployment := _deployment(namespace, name, uid, each, entries)) is not None
    }
    if not found:
        return None
    order = list(entries)
    deployments = sorted(found.values(), key=lambda each: order.index(each.name))
    bound = _mapping(status.get("template"))
    ready = next((each for each in _items(status.get("conditions")) if each.get("type") == "Ready"), {})
    has_workers = ready.get("status") == "True" and ready.get("reason") == Reason.RolledOut.name
    return Model(
        namespace,
        name,
        uid,
        _seconds(metadata.get("creationTimestamp")),
        tuple(deployments),
        "" if has_workers else str(ready.get("reason") or "Unknown"),
        "" if has_workers else str(ready.get("message") or "The operator has not reported a state yet."),
        _bindings_schema(status),
        # One text for all instances of a template: there may be 10,000.
        intern(str(bound.get("kind") or "")),
        intern(str(bound.get("name") or "")),
        str(spec.get("display_name") or spec.get("name") or ""),
    )


def _entries(name: str, spec: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Return entry and weight of each Deployment of the specification, by its name."""
    listed = spec.get("deployments")
    if listed is None:
        return {name: ("", _DEFAULT_WEIGHT)}
    return {
        f"{name}-{each['name']}": (str(each["name"]), _weight(each.get("traffic_weight")))
        for each in _items(listed)
        if "name" in each
    }


def _deployment(
    namespace: str,
    name: str,
    uid: str,
    reported: Mapping[str, Any],
    entries: Mapping[str, tuple[str, int]],
) -> Deployment | None:
    serving = _mapping(reported.get("serving"))
    entry = entries.get(str(reported.get("name")))
    if not serving or entry is None:
        return None
    try:
        protocol = EndpointProtocol(serving.get("protocol") or EndpointProtocol.SGP)
        model_type = ModelType(str(serving.get("model_type")))
    except ValueError:
        # A value of a later operator: what it means is not known here.
        return None
    known = {api.value: api for api in ModelApi}
    apis = tuple(known[api] for api in serving.get("apis") or () if api in known)
    if not apis:
        return None
    predict = _path(str(serving.get("predict_route") or _DEFAULT_ROUTE))
    streaming = _path(str(serving.get("streaming_predict_route") or predict))
    return Deployment(
        namespace=namespace,
        instance=name,
        instance_uid=uid,
        name=str(reported["name"]),
        entry=entry[0],
        port=str(serving.get("port") or _DEFAULT_PORT),
        model_type=model_type,
        protocol=protocol,
        served_name=serving.get("model") or None,
        predict_route=predict,
        streaming_predict_route=streaming,
        apis=apis,
        weight=entry[1],
    )


def _bindings_schema(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    properties = _mapping(_mapping(status.get("request_schema")).get("properties"))
    schema = properties.get(REQUEST_PARAMETERS)
    return schema if isinstance(schema, Mapping) else None


def _path(route: str) -> str:
    """Return a route as it may stand in a request; an escaped one stays as it is."""
    return quote(route if route.startswith("/") else f"/{route}", safe=_KEPT_IN_PATH, errors="replace")


def _weight(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _DEFAULT_WEIGHT


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _seconds(timestamp: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(timestamp)).timestamp())
    except ValueError:
        return 0
