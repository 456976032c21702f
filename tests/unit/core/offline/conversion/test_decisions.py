"""What a conversion decides where a manifest leaves a choice, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from model_operator.core.offline.conversion.containers import image_parts
from model_operator.core.offline.conversion.notes import ConversionError, Topic
from tests.unit.core.offline.conversion.conversions import (
    bundle,
    child,
    converted,
    deployment,
    endpoint,
)

DIGEST = f"sha256:{'a' * 64}"


def texts(found: Any, topic: Topic) -> str:
    return "\n".join(note.text for note in found.notes if note.topic is topic)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("docker.io/library", "nginx", "latest", None)),
        ("vllm/vllm-openai:v1", ("docker.io/vllm", "vllm-openai", "v1", None)),
        ("ghcr.io/a/b/c:1", ("ghcr.io/a/b", "c", "1", None)),
        ("localhost/x:1", ("localhost", "x", "1", None)),
        ("host:5000/x", ("host:5000", "x", "latest", None)),
        (f"quay.io/a/b@{DIGEST}", ("quay.io/a", "b", None, DIGEST)),
        (f"quay.io/a/b:2@{DIGEST}", ("quay.io/a", "b", "2", DIGEST)),
    ],
)
def test_an_image_is_split_as_a_node_reads_it(image: str, parts: tuple[str | None, ...]) -> None:
    found = image_parts(image)

    assert tuple(found.get(key) for key in ("registry", "image", "tag", "digest")) == parts


@pytest.mark.parametrize(
    ("resources", "expected", "left"),
    [
        ({"limits": {"cpu": "4"}}, {"cpus": 4}, None),
        ({"limits": {"cpu": 2.5}, "requests": {"cpu": "2500m"}}, {"cpus": "2.5"}, None),
        ({"requests": {"cpu": "4"}}, {}, {"requests": {"cpu": "4"}}),
        (
            {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            {},
            {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        ),
        ({"limits": {"nvidia.com/gpu": 2}}, {"gpus": 2}, None),
        ({"limits": {"amd.com/gpu": "1"}}, {}, {"limits": {"amd.com/gpu": "1"}}),
        ({"limits": {"google.com/tpu": 4}}, {}, {"limits": {"google.com/tpu": 4}}),
    ],
)
def test_resources(resources: Any, expected: Any, left: Any) -> None:
    found = converted(deployment(container={"resources": resources}))

    assert found.is_valid
    assert endpoint(found) == expected
    containers = found.template["spec"]["pod_template"]["spec"].get("containers", [{}])
    assert containers[0].get("resources") == left


def test_a_node_label_of_the_settings_is_the_gpu_type() -> None:
    text = deployment(
        container={"resources": {"limits": {"nvidia.com/gpu": 1}}},
        pod={"nodeSelector": {"k8s.amazonaws.com/accelerator": "nvidia-hopper-h100", "zone": "a"}},
    )
    found = converted(text)

    assert endpoint(found) == {"gpus": 1, "gpu_type": "nvidia-hopper-h100"}
    spec = child(found, "Deployment")["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"k8s.amazonaws.com/accelerator": "nvidia-hopper-h100", "zone": "a"}


PROBE = {"path": "/ok", "port": 8080}


@pytest.mark.parametrize(
    ("container", "route", "readiness"),
    [
        ({"readinessProbe": {"httpGet": PROBE}}, "/ok", None),
        ({"livenessProbe": {"httpGet": PROBE}}, "/ok", None),
        (
            {"readinessProbe": {"httpGet": PROBE, "timeoutSeconds": 9}},
            None,
            {"httpGet": PROBE, "timeoutSeconds": 9},
        ),
        (
            {"livenessProbe": {"exec": {"command": ["x"]}}},
            None,
            {"exec": {"command": ["x"]}, "periodSeconds": 5},
        ),
        ({}, None, {"tcpSocket": {"port": 8080}, "periodSeconds": 5}),
        ({"image": "ghcr.io/ggml-org/llama.cpp:server"}, "/health", None),
        (
            {"readinessProbe": {"httpGet": {**PROBE, "httpHeaders": [{"name": "Host", "value": "x"}]}}},
            None,
            {"httpGet": {**PROBE, "httpHeaders": [{"name": "Host", "value": "x"}]}},
        ),
    ],
)
def test_the_readiness_probe(container: Any, route: str | None, readiness: Any) -> None:
    found = converted(deployment(container=container))

    assert found.is_valid
    assert bundle(found).get("healthcheck_route") == route
    containers = found.template["spec"].get("pod_template", {}).get("spec", {}).get("containers", [{}])
    assert containers[0].get("readinessProbe") == readiness


@pytest.mark.parametrize(
    ("container", "port"),
    [
        ({"ports": [{"containerPort": 1}, {"containerPort": 2}], "args": ["--port=2"]}, 2),
        ({"ports": [{"containerPort": 1}, {"name": "http", "containerPort": 2}]}, 2),
        ({"ports": [{"containerPort": 1, "protocol": "UDP"}, {"containerPort": 2}]}, 2),
        (
            {
                "ports": [{"containerPort": 1}, {"name": "b", "containerPort": 2}],
                "livenessProbe": {"tcpSocket": {"port": "b"}},
            },
            2,
        ),
        ({"ports": [], "command": ["sh", "-c", "serve --port 2 --x"]}, 2),
        ({"ports": [], "env": [{"name": "PORT", "value": "2"}]}, 2),
        ({"ports": [], "image": "ollama/ollama:1"}, 11434),
    ],
)
def test_the_served_port(container: Any, port: int) -> None:
    found = converted(deployment(container=container))

    assert found.is_valid
    assert bundle(found)["port"] == port


def test_the_input_of_a_live_cluster_has_no_status_and_no_record_of_a_tool() -> None:
    given = yaml.safe_load(deployment())
    given["status"] = {"replicas": 1}
    given["metadata"] |= {
        "uid": "x",
        "annotations": {
            "deployment.kubernetes.io/revision": "3",
            "kubectl.kubernetes.io/last-applied-configuration": "everything",
            "argocd.argoproj.io/tracking-id": "x",
            "owner": "us",
        },
        "labels": {
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "app.kubernetes.io/managed-by": "Helm",
            "team": "a",
        },
    }
    given["spec"]["template"]["metadata"]["creationTimestamp"] = None
    found = converted(yaml.safe_dump(given))

    assert found.is_valid
    assert found.template["spec"]["metadata"] == {"labels": {"team": "a"}, "annotations": {"owner": "us"}}
    assert "everything" not in found.text(with_instance=True)


def test_metrics_without_a_place_leave_the_autoscaler_beside() -> None:
    autoscaler = yaml.safe_dump(
        {
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "chat"},
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "chat"},
                "minReplicas": 2,
                "maxReplicas": 9,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "memory",
                            "target": {"type": "Utilization", "averageUtilization": 50},
                        },
                    }
                ],
            },
        }
    )
    found = converted(f"{deployment()}\n---\n{autoscaler}")

    assert found.is_valid
    assert endpoint(found) == {"autoscaler": "EXTERNAL", "min_workers": 2}
    assert "HorizontalPodAutoscaler chat" in texts(found, Topic.BESIDE)


def test_a_label_that_spreading_selects_stays_as_it_is() -> None:
    spread = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "chat"}},
    }
    kept = converted(deployment(pod={"topologySpreadConstraints": [spread]}))
    own = converted(deployment())

    assert kept.template["spec"]["pod_template"]["metadata"]["labels"] == {"app": "chat"}
    assert own.template["spec"]["pod_template"]["metadata"]["labels"] == {"app": "$(instance.name)"}


@pytest.mark.parametrize(("kind", "name"), [("ModelTemplate", "a"), ("ClusterModelTemplate", "b")])
def test_names_and_kind(kind: str, name: str) -> None:
    text = deployment().replace("name: chat", "name: chat\n  namespace: team", 1)
    found = converted(text, name=name, instance="c", is_cluster=kind == "ClusterModelTemplate")

    assert found.is_valid
    assert found.template["kind"] == kind
    placed = {} if kind == "ClusterModelTemplate" else {"namespace": "team"}
    assert found.template["metadata"] == {"name": name, **placed}
    assert found.instance["metadata"] == {"name": "c", "namespace": "team"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: Service\nmetadata: {name: a}",
            "no Deployment, StatefulSet, ReplicaSet or Pod found in 1 object, got Service; give the workload",
        ),
        (
            "kind: JobSet\nmetadata: {name: a}\n---\nkind: ConfigMap\nmetadata: {name: a}",
            "found in 2 objects, got ConfigMap and JobSet; give the workload that runs the pods",
        ),
        ("services: {vllm: {image: vllm}}", "got services of Docker Compose; convert them to a manifest"),
        ("# nothing", "found in 0 objects; give a manifest of Kubernetes"),
        ("kind: DaemonSet\nmetadata: {name: a}", "a DaemonSet runs one pod on each node"),
        ("kind: CronJob\nmetadata: {name: a}", "a CronJob ends"),
        (
            "kind: Deployment\nmetadata: {name: a}",
            "Deployment a: spec.template.spec.containers: must be a list",
        ),
        (
            f"{deployment()}\n---\n{deployment()}",
            "must be one workload, got Deployment/chat and Deployment/chat",
        ),
        (
            deployment(
                pod={
                    "containers": [
                        {"name": "a", "image": "a", "resources": {"limits": {"nvidia.com/gpu": 1}}},
                        {"name": "b"},
                    ]
                }
            ),
            "",
        ),
        (deployment(container={"image": ""}), "image: required field is missing"),
    ],
)
def test_what_cannot_be_converted(text: str, message: str) -> None:
    if not message:
        assert bundle(converted(text))["image"] == "a"
        return
    with pytest.raises(ConversionError, match=message):
        converted(text)


def test_a_choice_of_workload_and_container() -> None:
    two = deployment(pod={"containers": [{"name": "a", "image": "x/a:1"}, {"name": "b", "image": "x/b:1"}]})
    other = two.replace("name: chat", "name: other", 1)
    found = converted(f"{two}\n---\n{other}", workload="deployment/other", container="b")

    assert found.template["metadata"]["name"] == "other"
    assert bundle(found)["image"] == "b"
    with pytest.raises(ConversionError, match="no container is named c; there are a and b"):
        converted(two, container="c")
    with pytest.raises(ConversionError, match="must get the name model"):
        converted(two.replace("name: a", "name: model"), container="b")
