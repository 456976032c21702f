"""Every way of failing that a status has to tell, as a template that fails so on a real node.

`tests.failures.record` tries each on the real node and writes down what the cluster says of it: that is what
the pure tests of causes read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cluster.nodes.real import SHELL_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

REGISTRY, _, _IMAGE = SHELL_IMAGE.rpartition("/")
IMAGE, TAG = _IMAGE.split(":")
INSTANCE = "failing"


@dataclass(frozen=True)
class Snapshot:
    """What the cluster says of one failing model.

    Attributes
    ----------
    deployment
        The Deployment.
    pods
        Its pods.
    events
        The events of its namespace, ``v1``.
    claims
        The PersistentVolumeClaims of its namespace.
    """

    deployment: Object
    pods: list[Object]
    events: list[Object]
    claims: list[Object] = field(default_factory=list)

    def container_statuses(self) -> list[Object]:
        """Give the statuses of all containers of all pods, of init containers too."""
        lists = ("initContainerStatuses", "containerStatuses")
        return [each for pod in self.pods for key in lists for each in pod["status"].get(key, [])]

    def waits(self, reason: str) -> bool:
        """Whether a container waits for `reason`."""
        return any(
            each["state"].get("waiting", {}).get("reason") == reason for each in self.container_statuses()
        )

    def ended(self, reason: str) -> bool:
        """Whether a container has ended for `reason` before."""
        return any(
            each.get("lastState", {}).get("terminated", {}).get("reason") == reason
            for each in self.container_statuses()
        )

    def has_event(self, reason: str) -> bool:
        """Whether there is an event with `reason`."""
        return any(event["reason"] == reason for event in self.events)

    @property
    def is_overdue(self) -> bool:
        """Whether the Deployment's progress deadline has passed."""
        return bool(self.condition("Progressing").get("reason") == "ProgressDeadlineExceeded")

    def condition(self, kind: str) -> Object:
        """Give a condition of the Deployment, ``{}`` when it has none of that type."""
        conditions = self.deployment["status"].get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), {})


@dataclass(frozen=True)
class Failure:
    """A template that fails in one way.

    Attributes
    ----------
    reason
        The reason of the instance's Ready condition.
    complete
        Whether a snapshot shows the failure in full.
    bundle, endpoint
        Fields of ``bundle_config`` and ``endpoint_config``.
    pod
        Fields of ``pod_template.spec``.
    container
        Fields of the model's container in it.
    objects
        What else has to be in the namespace.
    namespace_labels
        Labels that the namespace gets.
    endpoint_type
        Of the template.
    stalls
        Whether the roll-out's deadline passes, so that the instance is stalled.
    """

    reason: str
    complete: Callable[[Snapshot], bool]
    bundle: Object = field(default_factory=dict)
    endpoint: Object = field(default_factory=dict)
    pod: Object = field(default_factory=dict)
    container: Object = field(default_factory=dict)
    objects: tuple[Object, ...] = ()
    namespace_labels: dict[str, str] = field(default_factory=dict)
    stalls: bool = False
    endpoint_type: str = "SYNC"

    def template(self) -> Object:
        """Give the ModelTemplate, named like the instance."""
        bundle = {"registry": REGISTRY, "image": IMAGE, "tag": TAG, "command": ["sleep", "3600"]}
        endpoint = {"cpus": "10m", "memory": "32Mi", "storage": "32Mi"}
        container = {"name": "model", **self.container}
        return {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": INSTANCE},
            "spec": {
                "model_type": "EMBEDDING",
                "endpoint_type": self.endpoint_type,
                "vendor_configuration": {
                    "bundle_config": {**bundle, **self.bundle},
                    "endpoint_config": {**endpoint, **self.endpoint},
                },
                "pod_template": {"spec": {"containers": [container], **self.pod}},
            },
        }

    def instance(self) -> Object:
        """Give the ModelInstance."""
        return {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": INSTANCE},
            "spec": {"model_template_id": INSTANCE},
        }


def shell(script: str) -> Object:
    """Give the bundle's command that runs a script."""
    return {"command": ["sh", "-c", script]}


ALWAYS = {"exec": {"command": ["true"]}, "periodSeconds": 1}
NEVER = {"exec": {"command": ["sh", "-c", "echo the model is not loaded; exit 1"]}, "periodSeconds": 1}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "credentials"},
    "stringData": {"other": "key"},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "weights"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "no-such-class",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
LIMIT_RANGE = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "small"},
    "spec": {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]},
}
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods"},
    "spec": {"hard": {"pods": "0"}},
}


def volume(**source: Any) -> Object:
    """Give the fields of a pod with a volume of some source."""
    return {"volumes": [{"name": "weights", **source}]}


MOUNTED: Object = {"volumeMounts": [{"name": "weights", "mountPath": "/weights"}]}


def from_secret(name: str) -> Object:
    """Give the fields of a container with a variable of a Secret."""
    key = {"secretKeyRef": {"name": name, "key": "token"}}
    return {"env": [{"name": "TOKEN", "valueFrom": key}]}


FAILURES = {
    "image-missing": Failure(
        "ImagePullFailed", lambda seen: seen.waits("ImagePullBackOff"), bundle={"image": "no-such-image"}
    ),
    "image-never-pulled": Failure(
        "ImagePullFailed",
        lambda seen: seen.waits("ErrImageNeverPull"),
        bundle={"image": "no-such-image", "image_pull_policy": "Never"},
    ),
    "secret-missing": Failure(
        "ContainerConfigError",
        lambda seen: seen.waits("CreateContainerConfigError"),
        container=from_secret("no-such-secret"),
    ),
    "secret-key-missing": Failure(
        "ContainerConfigError",
        lambda seen: seen.waits("CreateContainerConfigError"),
        container=from_secret("credentials"),
        objects=(SECRET,),
    ),
    "runs-as-root": Failure(
        "ContainerConfigError",
        lambda seen: seen.waits("CreateContainerConfigError"),
        pod={"securityContext": {"runAsNonRoot": True}},
    ),
    "command-missing": Failure(
        "CrashLooping",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("StartError"),
        bundle={"command": ["/no/such/program"]},
    ),
    "crash": Failure(
        "CrashLooping",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("Error"),
        bundle=shell("echo no weights here; exit 3"),
    ),
    "clean-exit": Failure(
        "CrashLooping",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("Completed"),
        bundle=shell("exit 0"),
    ),
    # Nobody asks it whether it is ready, and for a second it runs.
    "crash-without-probe": Failure(
        "CrashLooping",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("Error"),
        bundle=shell("sleep 2; exit 4"),
        endpoint_type="ASYNC",
    ),
    "init-container-crash": Failure(
        "CrashLooping",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("Error"),
        pod={
            "initContainers": [{"name": "download", "image": SHELL_IMAGE, "command": ["sh", "-c", "exit 7"]}]
        },
    ),
    "out-of-memory": Failure(
        "OOMKilled",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("OOMKilled"),
        bundle=shell("tail /dev/zero"),
    ),
    "startup-probe-fails": Failure(
        "ProbeFailing",
        lambda seen: seen.has_event("Unhealthy") and seen.waits("CrashLoopBackOff"),
        container={"readinessProbe": NEVER, "startupProbe": {**NEVER, "failureThreshold": 2}},
        pod={"terminationGracePeriodSeconds": 1},
    ),
    "readiness-probe-fails": Failure(
        "ProbeFailing",
        lambda seen: (
            seen.has_event("Unhealthy")
            and any(each.get("started") and not each["ready"] for each in seen.container_statuses())
        ),
        container={"readinessProbe": NEVER, "startupProbe": ALWAYS},
    ),
    "unschedulable-cpu": Failure(
        "Unschedulable", lambda seen: seen.has_event("FailedScheduling"), endpoint={"cpus": 1000}
    ),
    "unschedulable-gpu": Failure(
        "Unschedulable",
        lambda seen: seen.has_event("FailedScheduling"),
        endpoint={"gpus": 1, "gpu_type": "nvidia-hopper-h100"},
    ),
    "claim-missing": Failure(
        "VolumeNotReady",
        lambda seen: seen.has_event("FailedScheduling"),
        pod=volume(persistentVolumeClaim={"claimName": "no-such-claim"}),
        container=MOUNTED,
    ),
    "config-map-volume-missing": Failure(
        "VolumeNotReady",
        lambda seen: seen.has_event("FailedMount"),
        pod=volume(configMap={"name": "no-such-config-map"}),
        container=MOUNTED,
    ),
    "secret-volume-missing": Failure(
        "VolumeNotReady",
        lambda seen: seen.has_event("FailedMount"),
        pod=volume(secret={"secretName": "no-such-secret"}),
        container=MOUNTED,
    ),
    "quota": Failure(
        "PodsRejected",
        lambda seen: seen.condition("ReplicaFailure").get("status") == "True",
        objects=(QUOTA,),
    ),
    "pod-security": Failure(
        "PodsRejected",
        lambda seen: seen.condition("ReplicaFailure").get("status") == "True",
        namespace_labels={"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    "service-account-missing": Failure(
        "PodsRejected",
        lambda seen: seen.condition("ReplicaFailure").get("status") == "True",
        pod={"serviceAccountName": "no-such-account"},
    ),
    "priority-class-missing": Failure(
        "PodsRejected",
        lambda seen: seen.condition("ReplicaFailure").get("status") == "True",
        pod={"priorityClassName": "no-such-class"},
    ),
    "limit-range": Failure(
        "PodsRejected",
        lambda seen: seen.condition("ReplicaFailure").get("status") == "True",
        objects=(LIMIT_RANGE,),
    ),
    "claim-unbound": Failure(
        "VolumeNotReady",
        lambda seen: seen.has_event("FailedScheduling") and seen.has_event("ProvisioningFailed"),
        objects=(CLAIM,),
        pod=volume(persistentVolumeClaim={"claimName": "weights"}),
        container=MOUNTED,
    ),
    "claim-template-missing": Failure(
        "ResourceClaimNotReady",
        lambda seen: seen.has_event("FailedResourceClaimCreation"),
        pod={"resourceClaims": [{"name": "device", "resourceClaimTemplateName": "no-such-template"}]},
        container={"resources": {"claims": [{"name": "device"}]}},
    ),
    "image-volume-missing": Failure(
        "ImagePullFailed",
        lambda seen: seen.waits("ImagePullBackOff"),
        pod=volume(image={"reference": f"{REGISTRY}/no-such-weights:1"}),
        container=MOUNTED,
    ),
    "image-volume-never-pulled": Failure(
        "ImagePullFailed",
        lambda seen: seen.waits("ErrImageNeverPull"),
        pod=volume(image={"reference": f"{REGISTRY}/no-such-weights:1", "pullPolicy": "Never"}),
        container=MOUNTED,
    ),
    "image-volume-name-invalid": Failure(
        "ImagePullFailed",
        lambda seen: seen.waits("InvalidImageName"),
        pod=volume(image={"reference": f"{REGISTRY}/Weights:1"}),
        container=MOUNTED,
    ),
    "image-volume-folder-missing": Failure(
        "VolumeNotReady",
        lambda seen: seen.waits("CreateContainerError"),
        pod=volume(image={"reference": SHELL_IMAGE}),
        container={"volumeMounts": [{"name": "weights", "mountPath": "/weights", "subPath": "no/such"}]},
    ),
    "pull-secret-missing": Failure(
        "ImagePullFailed",
        lambda seen: seen.waits("ImagePullBackOff") and seen.has_event("FailedToRetrieveImagePullSecret"),
        bundle={"image_pull_secrets": [{"name": "no-such-secret"}]},
        pod=volume(image={"reference": f"{REGISTRY}/no-such-weights:1"}),
        container=MOUNTED,
    ),
    "health-route-missing": Failure(
        "ProbeFailing",
        lambda seen: seen.has_event("Unhealthy"),
        bundle=shell("mkdir /www && httpd -f -p 5005 -h /www"),
    ),
    "server-on-another-port": Failure(
        "ProbeFailing",
        lambda seen: seen.has_event("Unhealthy"),
        bundle={**shell("mkdir /www && httpd -f -p 8000 -h /www"), "port": 5005},
        container={"ports": [{"containerPort": 8000}]},
    ),
    "storage-exceeded": Failure(
        "CrashLooping",
        lambda seen: any(pod["status"].get("reason") == "Evicted" for pod in seen.pods),
        bundle=shell("dd if=/dev/zero of=/filled bs=1M count=100; sleep 3600"),
    ),
    "liveness-probe-fails": Failure(
        "ProbeFailing",
        lambda seen: seen.has_event("Killing") and seen.waits("CrashLoopBackOff"),
        container={
            "readinessProbe": NEVER,
            "startupProbe": ALWAYS,
            "livenessProbe": {**NEVER, "failureThreshold": 2},
        },
        pod={"terminationGracePeriodSeconds": 1},
    ),
    "sidecar-crash": Failure(
        "CrashLooping",
        lambda seen: seen.waits("CrashLoopBackOff") and seen.ended("Error"),
        pod={
            "initContainers": [
                {
                    "name": "proxy",
                    "image": SHELL_IMAGE,
                    "command": ["sh", "-c", "exit 4"],
                    "restartPolicy": "Always",
                }
            ]
        },
    ),
    "readiness-deadline": Failure(
        "ProbeFailing",
        lambda seen: seen.is_overdue and seen.has_event("Unhealthy"),
        endpoint={"startup_timeout_seconds": 10},
        container={"readinessProbe": NEVER, "startupProbe": ALWAYS},
        stalls=True,
    ),
    # Asked for the first time after an hour: until then the model may just be loading.
    "progress-deadline": Failure(
        "ProgressDeadlineExceeded",
        lambda seen: seen.is_overdue,
        endpoint={"startup_timeout_seconds": 10},
        container={"readinessProbe": ALWAYS, "startupProbe": {**ALWAYS, "initialDelaySeconds": 3600}},
        stalls=True,
    ),
}
