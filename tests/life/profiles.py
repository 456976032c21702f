"""The models that stories are told of, on simulated nodes and on a real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cluster.nodes.real import SHELL_IMAGE
from tests.life.asked import MISSING_TAG

if TYPE_CHECKING:
    from tests.life.history import Object

TEMPLATE = "encoder"
INSTANCE = "minilm"
_ALWAYS = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 30}
_FAILURE = {"simulate.modeloperator.dev/failure": "image-pull"}


@dataclass(frozen=True)
class Profile:
    """What differs between the kinds of node.

    Attributes
    ----------
    image
        An image that can be pulled.
    bundle
        More of the template's ``bundle_config``.
    pod
        The template's ``pod_template``.
    missing_labels
        Labels that make a pod fail as with an image that cannot be pulled, where nothing pulls images.
    """

    image: str
    bundle: Object = field(default_factory=dict)
    pod: Object = field(default_factory=dict)
    missing_labels: dict[str, str] = field(default_factory=dict)

    def template(
        self, edition: str = "first", *, missing: bool = False, type_of_size: str = "integer"
    ) -> Object:
        """Give the template.

        Parameters
        ----------
        edition
            A variable of its environment: another one rolls the pods.
        missing
            Whether its image cannot be pulled.
        type_of_size
            The type of the parameter ``BATCH_SIZE``; one that JSON Schema does not know breaks the template.
        """
        rest, _, tag = self.image.rpartition(":")
        registry, _, image = rest.rpartition("/")
        bundle: Object = {
            "registry": registry,
            "image": image,
            "tag": MISSING_TAG if missing else tag,
            "env": {"EDITION": edition},
            "image_pull_policy": "IfNotPresent",
        }
        labels = {"labels": self.missing_labels if missing else {}}
        return {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": TEMPLATE},
            "spec": {
                "model_type": "EMBEDDING",
                "vendor_configuration": {
                    "bundle_config": {**bundle, **self.bundle},
                    # With less, each probe of a real container takes many seconds.
                    "endpoint_config": {"cpus": "100m", "memory": "32Mi", "storage": "32Mi"},
                },
                "model_creation_parameters_schema": {
                    "type": "object",
                    "required": ["MODEL_NAME"],
                    "properties": {"MODEL_NAME": {"type": "string"}, "BATCH_SIZE": {"type": type_of_size}},
                },
                "pod_template": {"metadata": labels, **self.pod},
            },
        }

    @staticmethod
    def instance(**spec: Any) -> Object:
        """Give the instance, labelled as appliers of manifests do, with more fields of ``spec``."""
        return {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {
                "name": INSTANCE,
                "labels": {"app.kubernetes.io/instance": "models", "team": "search"},
                "annotations": {"argocd.argoproj.io/tracking-id": "models"},
            },
            "spec": {
                "model_template_id": TEMPLATE,
                "model_creation_parameters": {"MODEL_NAME": "first"},
                **spec,
            },
        }


SIMULATED = Profile("registry.test/encoder:v1", missing_labels=_FAILURE)
REAL = Profile(
    SHELL_IMAGE,
    bundle={"command": ["sleep", "3600"]},
    pod={
        "spec": {
            # The first process of a container has no handlers of signals: sleep waits to be killed.
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "model", "readinessProbe": _ALWAYS, "startupProbe": _ALWAYS}],
        }
    },
)
