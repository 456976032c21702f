"""A small template and instance for tests, and short ways to change and read them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.kube_api import KubeApiError
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object

TEMPLATE = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
metadata: {name: encoder}
spec:
  model_type: EMBEDDING
  vendor_configuration:
    bundle_config:
      registry: registry.test
      image: encoder
      tag: v1
      env: {BATCH_SIZE: "8", LOG_LEVEL: info}
    endpoint_config: {cpus: 100m, memory: 64Mi, storage: 100Mi}
  model_creation_parameters_schema:
    type: object
    required: [MODEL_NAME]
    properties:
      MODEL_NAME: {type: string}
      BATCH_SIZE: {type: integer, minimum: 1}
"""

INSTANCE = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {name: minilm}
spec:
  model_template_id: encoder
  model_creation_parameters: {MODEL_NAME: all-MiniLM-L6-v2}
"""

FAILURE = "simulate.modeloperator.dev/failure"
"""Label of pods: how simulated nodes have them fail; see ``tests/cluster/config/simulation.yaml``."""


def template(name: str = "encoder", **bundle: Any) -> Object:
    """Give the template under a name, with other fields of ``bundle_config``; None removes one."""
    obj: Object = yaml.safe_load(TEMPLATE)
    obj["metadata"]["name"] = name
    fields = obj["spec"]["vendor_configuration"]["bundle_config"]
    fields |= {key: value for key, value in bundle.items() if value is not None}
    for key in [key for key, value in bundle.items() if value is None]:
        del fields[key]
    return obj


def instance(name: str = "minilm", **spec: Any) -> Object:
    """Give the instance under a name, with other fields of ``spec``."""
    obj: Object = yaml.safe_load(INSTANCE)
    obj["metadata"]["name"] = name
    obj["spec"] |= spec
    return obj


def edit_bundle(api: KubeApi, name: str = "encoder", **fields: Any) -> Object:
    """Merge fields into a template's ``bundle_config``."""
    patch = {"spec": {"vendor_configuration": {"bundle_config": fields}}}
    return api.patch("ModelTemplate", name, patch)


def container(deployment: Object) -> Object:
    """Give the container of the model."""
    containers: list[Object] = deployment["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == "model")


def environment(deployment: Object) -> dict[str, str]:
    """Give the plain environment variables of the model's container."""
    return {entry["name"]: entry.get("value", "") for entry in container(deployment).get("env", [])}


def ready(obj: Object) -> Object:
    """Give the Ready condition of an object that was read."""
    conditions: list[Object] = obj.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})


def deploy(api: KubeApi, *, name: str = "minilm", template_name: str = "encoder") -> Object:
    """Apply template and instance, and wait until it is ready."""
    api.apply(template(template_name))
    api.apply(instance(name, model_template_id=template_name))
    return api.wait_for_condition("ModelInstance", name, "Ready")


def held(obj: Object) -> Object:
    """Have the pods of a template wait for `start_pods`, so that each state of a roll-out can be seen."""
    obj["spec"]["pod_template"] = {"metadata": {"labels": {FAILURE: "held"}}}
    return obj


def start_pods(api: KubeApi, name: str = "minilm") -> Object:
    """Wait until an instance tells that it is deploying, start its held pods, and wait until it is ready."""
    api.wait_for_condition("ModelInstance", name, "Ready", "False", reason="Deploying")

    def become_ready() -> Object | None:
        for pod in api.list("Pod", labels=f"{FAILURE}=held,modeloperator.dev/instance={name}"):
            try:
                api.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {FAILURE: None}}})
            except KubeApiError as error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
        obj = api.get("ModelInstance", name)
        return obj if ready(obj)["status"] == "True" else None

    return wait_for(become_ready, message=f"{name} is ready")


def deploy_held(api: KubeApi) -> Object:
    """Apply template and instance with held pods, and start them when that has been told."""
    api.apply(held(template()))
    # Told by two watches, the instance might come first, and be without a template for a moment.
    api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    api.apply(instance())
    return start_pods(api)


def wait_until_counted(api: KubeApi, name: str = "encoder", count: int = 1) -> None:
    """Wait until a template tells of so many instances, all rolled out: then there is no more to tell."""

    def counted() -> bool:
        status = api.get("ModelTemplate", name)["status"]
        return bool(status["instance_count"] == status["updated_instance_count"] == count)

    wait_for(counted, message=f"ModelTemplate {name} counts {count} instances, and all as updated")
