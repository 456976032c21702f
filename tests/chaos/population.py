"""What the churn makes: templates and instances by seeded chance, and the record of what there is to be."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    import random

Object = dict[str, Any]

NAMESPACES = ("chaos-a", "chaos-b")
# The names of instances whose children's names somebody else has.
TAKEN = {"taken-service": "Service", "taken-deployment": "Deployment"}

BASE = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
spec:
  model_type: EMBEDDING
  vendor_configuration:
    bundle_config: {registry: registry.test, image: encoder, tag: v1}
    endpoint_config: {cpus: 10m, memory: 16Mi, storage: 16Mi}
  model_creation_parameters_schema:
    type: object
    required: [MODEL_NAME]
    properties:
      MODEL_NAME: {type: string}
      BATCH_SIZE: {type: integer, minimum: 1}
"""
STEPPED = "steps"
"""The template whose edits roll out in steps. Its instances get no wrong parameters, which would halt it."""
ROLLOUT: Object = {
    "max_unavailable": 2,
    "soak_seconds": 0,
    "steps": [{"name": "canary", "labels": {"tier": "canary"}}],
}
FOREIGN = """
apiVersion: v1
kind: Service
metadata: {name: taken-service, labels: {app: somebody-elses}}
spec: {ports: [{port: 80}], selector: {app: somebody-elses}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: taken-deployment, labels: {app: somebody-elses}}
spec:
  replicas: 0
  selector: {matchLabels: {app: somebody-elses}}
  template:
    metadata: {labels: {app: somebody-elses}}
    spec: {containers: [{name: theirs, image: registry.test/theirs}]}
"""


class Name(NamedTuple):
    """Namespace, empty for cluster-scoped objects, and name."""

    namespace: str
    name: str


@dataclass
class Population:
    """What is to exist, as the users of the cluster have asked for it.

    Attributes
    ----------
    templates, instances
        The objects by their names, as they were last applied.
    """

    templates: dict[Name, Object] = field(default_factory=dict)
    instances: dict[Name, Object] = field(default_factory=dict)

    def template_of(self, instance: Object) -> Object:
        """Give the template that an instance names."""
        wanted = instance["spec"]["model_template_id"]
        own = self.templates.get(Name(instance["metadata"]["namespace"], wanted))
        return own if own is not None else self.templates[Name("", wanted)]


def templates() -> dict[Name, Object]:
    """Give all templates: with and without Service, with an autoscaler, in steps, and for all namespaces."""
    found = {}
    for namespace in NAMESPACES:
        for name in ("web", "pull", "auto", STEPPED):
            found[Name(namespace, name)] = _template("ModelTemplate", namespace, name)
        found[Name(namespace, "pull")]["spec"]["endpoint_type"] = "ASYNC"
        _endpoint(found[Name(namespace, "auto")]).update(min_workers=1, max_workers=3)
        found[Name(namespace, STEPPED)]["spec"]["rollout"] = ROLLOUT
    found[Name("", "shared")] = _template("ClusterModelTemplate", "", "shared")
    return found


def with_tag(template: Object, tag: str) -> Object:
    """Give the template with another image tag, which rolls all its instances."""
    changed = copy.deepcopy(template)
    changed["spec"]["vendor_configuration"]["bundle_config"]["tag"] = tag
    return changed


def tag_of(template: Object) -> str:
    """Give a template's image tag."""
    tag: str = template["spec"]["vendor_configuration"]["bundle_config"]["tag"]
    return tag


def instance(name: Name, source: random.Random) -> Object:
    """Make up an instance."""
    template = source.choices(("web", "shared", "pull", "auto", STEPPED), (35, 25, 10, 10, 20))[0]
    spec: Object = {"model_template_id": template, "model_creation_parameters": parameters(source, template)}
    if source.random() < 0.15:
        spec["deployments"] = entries(source)
    elif source.random() < 0.15:
        spec["replicas"] = source.randint(0, 3)
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {
            "name": name.name,
            "namespace": name.namespace,
            "labels": {"tier": source.choice(("canary", "rest", "rest"))},
        },
        "spec": spec,
    }


def parameters(source: random.Random, template: str) -> Object:
    """Make up parameters for a template; a few do not fit any."""
    size = "many" if source.random() < 0.03 and template != STEPPED else source.randint(1, 256)
    return {"MODEL_NAME": f"model-{source.randint(1, 9)}", "BATCH_SIZE": size}


def entries(source: random.Random) -> list[Object]:
    """Make up ``spec.deployments``."""
    names = source.sample(("a", "b", "c"), source.randint(1, 2))
    return [
        {"name": name, "model_creation_parameters": {"BATCH_SIZE": source.randint(1, 256)}} for name in names
    ]


def deployments_of(instance: Object) -> dict[str, Object]:
    """Give the names of an instance's Deployments, each with its parameters."""
    name, spec = instance["metadata"]["name"], instance["spec"]
    shared = spec["model_creation_parameters"]
    if "deployments" not in spec:
        return {name: shared}
    return {
        f"{name}-{entry['name']}": {**shared, **entry["model_creation_parameters"]}
        for entry in spec["deployments"]
    }


def _template(kind: str, namespace: str, name: str) -> Object:
    template: Object = yaml.safe_load(BASE)
    template["kind"] = kind
    template["metadata"] = {"name": name, **({"namespace": namespace} if namespace else {})}
    return template


def _endpoint(template: Object) -> Object:
    endpoint: Object = template["spec"]["vendor_configuration"]["endpoint_config"]
    return endpoint
