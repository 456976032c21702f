"""What goes wrong with pods is told, word for word; the model beside them serves on.

All that can go wrong is brought about by ``tests/integration/real_node/test_failures.py``. These few need no
other image than the embedding server's, so that they can be tried on any cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import SERVING
from tests.e2e.models import READY_SECONDS, instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import Object
    from tests.e2e.models import Models

SECRET_KEY = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "token"}}}


@dataclass(frozen=True)
class Fault:
    """A template with one fault.

    Attributes
    ----------
    reason, message
        Of the instance's Ready condition; the message, which names the Deployment before, as a pattern.
    bundle, endpoint, pod
        Fields of ``bundle_config``, ``endpoint_config`` and ``pod_template.spec``.
    """

    reason: str
    message: str
    bundle: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)
    pod: dict[str, Any] = field(default_factory=dict)

    def template(self, image: str, name: str) -> Object:
        """Give the template under a name."""
        broken = template(image, name)
        configuration = broken["spec"]["vendor_configuration"]
        configuration["bundle_config"] |= self.bundle
        # Too little for all of them beside the model is not what these are to show.
        configuration["endpoint_config"] |= {"cpus": "50m", **self.endpoint}
        broken["spec"]["pod_template"]["spec"] |= self.pod
        return broken


FAULTS = {
    "no-image": Fault(
        "ImagePullFailed",
        # Why is the registry's to say.
        r'image "\S+:no-such-tag" of container "model" cannot be pulled: .+\. Action \(template owner\): '
        r"fix the registry, image, tag, digest or image_pull_secrets; retried automatically\.",
        bundle={"tag": "no-such-tag"},
    ),
    "crashing": Fault(
        "CrashLooping",
        r'container "model" keeps crashing \(exit code 1\)\. Action \(template owner\): check '
        r"kubectl logs --previous, then fix the image, command, resources or parameters\.",
        bundle={"env": {"PORT": "http"}},
    ),
    "small-memory": Fault(
        "OOMKilled",
        r'container "model" was OOM-killed: it exceeded its memory limit of 40Mi\. '
        r"Action \(template owner\): increase endpoint_config\.memory or reduce memory usage\.",
        endpoint={"memory": "40Mi"},
    ),
    "too-large": Fault(
        "Unschedulable",
        # What else keeps a pod off a node is each cluster's own.
        r"no node can run the pod: .*Insufficient cpu.*\. Action \(cluster administrator\): add or free a "
        r"suitable node, or reduce the requests of the template; retried automatically\.",
        endpoint={"cpus": 1000},
    ),
    "no-secret": Fault(
        "ContainerConfigError",
        r'container "model" cannot be created: secret "no-such-secret" not found\. '
        r"Action \(template owner\): create the named object or key, or fix the template; retried "
        r"automatically\.",
        pod={"containers": [{"name": "model", "env": [SECRET_KEY]}]},
    ),
    "no-account": Fault(
        "PodsRejected",
        r'pods are rejected: pods "no-account-\S+" is forbidden: error looking up service account '
        r'\S+/no-such-account: serviceaccount "no-such-account" not found\. Action \(template owner\): '
        r"create the ServiceAccount in the instance's namespace, or fix serviceAccountName in pod_template; "
        r"retried automatically\.",
        pod={"serviceAccountName": "no-such-account"},
    ),
}


@pytest.fixture
def faulty(models: Models) -> Iterator[Models]:
    """Give the models with an instance for each fault."""
    for name, fault in FAULTS.items():
        models.apply(fault.template(models.image, name), instance(name, name))
    yield models
    models.kubectl("delete", "modelinstances,modeltemplates", *FAULTS, "--timeout=60s", timeout=70)


def test_failures_of_pods_are_told(faulty: Models) -> None:
    for name, fault in FAULTS.items():
        obj = faulty.api.wait_for_condition(
            "ModelInstance", name, "Ready", "False", reason=fault.reason, deadline=READY_SECONDS
        )
        (said,) = [each["message"] for each in obj["status"]["conditions"] if each["type"] == "Ready"]
        assert re.fullmatch(f"Deployment {name}: {fault.message}", said), said
    assert faulty.condition(SERVING)["status"] == "True"
    assert "256 dimensions" in faulty.ask(SERVING)
