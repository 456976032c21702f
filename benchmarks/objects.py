"""What the benchmark creates: one sample template, many instances of it, and the children that they have."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.client import Request
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.values.json_values import wire_json
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Object = dict[str, Any]

NAMESPACE = "bench"
CEILING_NAMESPACE = "ceiling"
REPLAY_NAMESPACE = "replay"
SAMPLE = REPOSITORY / "manifests" / "samples" / "tei-embedding.yaml"
TEMPLATES = "/apis/modeloperator.dev/v1alpha1/namespaces/{namespace}/modeltemplates"
INSTANCES = "/apis/modeloperator.dev/v1alpha1/namespaces/{namespace}/modelinstances"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
REVISIONS = "/apis/modeloperator.dev/v1alpha1/namespaces/{namespace}/modeltemplaterevisions"
SERVICES = "/api/v1/namespaces/{namespace}/services"
EDITED_TAG = "cpu-1.9.4"
BATCHES = 10
BATCH_LABEL = "batch"
"""Label of an instance that says with which step of a roll-out it gets an edit."""
_PATHS = {
    "ModelTemplate": TEMPLATES,
    "ModelInstance": INSTANCES,
    "Deployment": DEPLOYMENTS,
    "Service": SERVICES,
}


def template(tag: str = "", namespace: str = NAMESPACE) -> Object:
    """Give the template, a shipped sample; `tag` is another tag of its image."""
    obj = copy.deepcopy(_sample())
    obj["metadata"]["namespace"] = namespace
    if tag:
        obj["spec"]["vendor_configuration"]["bundle_config"]["tag"] = tag
    return obj


@cache
def _sample() -> Object:
    documents = yaml.safe_load_all(SAMPLE.read_text())
    obj: Object = next(each for each in documents if each["kind"] == "ModelTemplate")
    return obj


def batch(name: str) -> str:
    """Give which of the `BATCHES` an instance is in: one after the other by number, the first without one."""
    number = name.rpartition("-")[2]
    return str(int(number) % BATCHES if number.isdecimal() else 0)


def instance(name: str, namespace: str = NAMESPACE) -> Object:
    """Give an instance with two parameters, and the label of its batch."""
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": name, "namespace": namespace, "labels": {BATCH_LABEL: batch(name)}},
        "spec": {
            "model_template_id": _sample()["metadata"]["name"],
            "model_creation_parameters": {"MODEL_ID": "BAAI/bge-small-en-v1.5", "POOLING": "mean"},
        },
    }


def in_steps() -> Object:
    """Give how a template rolls out with each batch of instances in a step of its own."""
    # The instances that no step selects are the last batch.
    steps = [{"name": f"batch-{each}", "labels": {BATCH_LABEL: str(each)}} for each in range(BATCHES - 1)]
    return {"max_unavailable": "100%", "soak_seconds": 0, "steps": steps}


def tagged(tag: str) -> Object:
    """Give the merge patch of a template that sets the tag of its image."""
    return {"spec": {"vendor_configuration": {"bundle_config": {"tag": tag}}}}


def names(prefix: str, count: int) -> list[str]:
    """Give names of instances."""
    return [f"{prefix}-{number:05}" for number in range(count)]


def uid(name: str) -> str:
    """Give the uid of the owner in what is rendered for an instance."""
    return f"bench-{name}"


def children(each: Iterable[str], namespace: str, tag: str = "") -> list[Object]:
    """Give the very objects that the operator applies for instances of these names."""
    source = template(tag)
    source["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "generation": 1}
    compiled = parse_template(source)
    rendered = []
    for name in each:
        obj = instance(name, namespace)
        obj["metadata"] |= {"uid": uid(name), "generation": 1}
        parsed, violations = parse_instance(obj)
        assert not violations
        rendered += [child.applied for child in render(compiled, parsed).children]
    return rendered


def creation(obj: Object) -> Request:
    """Give the request that creates an object with POST."""
    return Request("POST", _collection(obj), "application/json", json.dumps(obj))


def application(obj: Object, *, force: bool = False) -> Request:
    """Give the request by which the operator applies a child: the first one, or with force a later one."""
    metadata = obj["metadata"]
    query = f"fieldManager=model-operator&force={str(force).lower()}"
    if not force:
        obj = {**obj, "metadata": {**metadata, "resourceVersion": "1"}}
    path = f"{_collection(obj)}/{metadata['name']}?{query}"
    return Request("PATCH", path, "application/apply-patch+yaml", wire_json(obj).decode())


def merge(obj: Object, patch: Object, subresource: str = "") -> Request:
    """Give the request that lays a merge patch over an object."""
    path = f"{_collection(obj)}/{obj['metadata']['name']}{subresource}"
    return Request("PATCH", path, "application/merge-patch+json", json.dumps(patch))


def deletion(obj: Object) -> Request:
    """Give the request that deletes an object."""
    return Request("DELETE", f"{_collection(obj)}/{obj['metadata']['name']}", "application/json", "")


def deletions(owners: Sequence[str], behind: int) -> Iterator[Request]:
    """Yield the requests that delete instances, and their children `behind` instances later."""
    for position in range(len(owners) + behind):
        if position < len(owners):
            yield deletion(instance(owners[position]))
        if position >= behind:
            metadata = {"namespace": NAMESPACE, "name": owners[position - behind]}
            yield from (deletion({"kind": kind, "metadata": metadata}) for kind in ("Deployment", "Service"))


def clearance(path: str) -> Request:
    """Give the request that deletes all objects of a collection."""
    return Request("DELETE", path, "application/json", "")


def _collection(obj: Object) -> str:
    return _PATHS[obj["kind"]].format(namespace=obj["metadata"]["namespace"])
