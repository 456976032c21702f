"""A template of a manifest, rendered for its instance, gives what the manifest states."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.offline.conversion.containers import image_parts
from model_operator.core.offline.conversion.notes import Topic
from tests.unit.core.offline.conversion.conversions import child, converted, endpoint

FOLDER = Path(__file__).parent / "manifests"
GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
manifests = pytest.mark.parametrize("name", NAMES)
CONTROLLERS = {"pod-template-hash", "helm.sh/chart"}
LIVE = {
    "nodeName",
    "priority",
    "preemptionPolicy",
    "serviceAccount",
    "tolerations",
    "restartPolicy",
    "securityContext",
}
DEFAULTS = {"dnsPolicy", "schedulerName", "terminationMessagePath", "terminationMessagePolicy", "resources"}


def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def objects(name: str) -> list[Any]:
    found = [each for each in yaml.safe_load_all(text(name)) if each]
    return [item for each in found for item in (each["items"] if each["kind"] == "List" else [each])]


def stated(name: str) -> tuple[Any, Any]:
    """Return the workload of a file and its pod template."""
    workloads = [each for each in objects(name) if each["kind"] in ("Deployment", "StatefulSet")]
    workload = (workloads or [each for each in objects(name) if each["kind"] == "Pod"])[0]
    return workload, workload if workload["kind"] == "Pod" else workload["spec"]["template"]


def missing(given: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which a rendered value lacks what was given; written without the product's own."""
    key = path.rpartition(".")[2]
    if key == "image":
        if image_parts(given) != image_parts(found):
            yield path
    elif isinstance(given, Mapping) and isinstance(found, Mapping):
        for name, value in given.items():
            if name != "name" or key != "containers":
                yield from missing(value, found.get(name), f"{path}.{name}")
    elif isinstance(given, list) and isinstance(found, list):
        yield from _missing_items(given, found, path)
    elif str(given) != str(found) and not (given == "" and found is None):
        yield path


def _missing_items(given: list[Any], found: list[Any], path: str) -> Iterator[str]:
    if not all(isinstance(item, Mapping) for item in given):
        if given != found:
            yield path
        return
    for item in given:
        if not any(not list(missing(item, each, path)) for each in found):
            yield f"{path}[{item.get('name')}]"


@manifests
def test_the_template_is_accepted_and_rendered(name: str) -> None:
    found = converted(text(name))

    assert found.is_valid, [str(each) for each in found.findings]
    assert child(found, "Deployment")["metadata"]["name"] == stated(name)[0]["metadata"]["name"]


@manifests
def test_nothing_of_the_pod_is_lost(name: str) -> None:
    found = converted(text(name))

    assert [note for note in found.notes if note.topic is Topic.DIFFERS] == []
    workload, pod = stated(name)
    rendered = child(found, "Deployment")["spec"]["template"]
    ignored = LIVE | DEFAULTS if workload["kind"] == "Pod" else set()
    spec = {key: value for key, value in pod["spec"].items() if key not in ignored}
    if workload["kind"] == "Pod":
        spec["volumes"] = []
        unset = {*DEFAULTS, "volumeMounts"}
        spec["containers"] = [
            {k: v for k, v in each.items() if k not in unset} for each in spec["containers"]
        ]
    expected = _by_number(spec)
    assert list(missing(expected, _by_number(rendered["spec"]))) == []
    labels = {k: v for k, v in pod["metadata"]["labels"].items() if k not in CONTROLLERS}
    assert labels.items() <= rendered["metadata"]["labels"].items()


def _by_number(spec: Any) -> Any:
    """Return a pod with numbers in place of names of ports, and of containers in references."""
    result = yaml.safe_load(yaml.safe_dump(spec))
    for container in result["containers"]:
        numbers = {each.get("name"): each["containerPort"] for each in container.get("ports", [])}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            for action in container.get(probe, {}).values():
                if isinstance(action, dict) and "port" in action:
                    action["port"] = numbers.get(action["port"], action["port"])
        for variable in container.get("env", []):
            variable.get("valueFrom", {}).get("resourceFieldRef", {}).pop("containerName", None)
    return result


@manifests
def test_the_service_leads_to_the_same_ports(name: str) -> None:
    services = [each for each in objects(name) if each["kind"] == "Service"]
    if not services:
        pytest.skip("the manifest has no Service")
    containers = stated(name)[1]["spec"]["containers"]
    found = converted(text(name))
    service = child(found, "Service")
    rendered = child(found, "Deployment")["spec"]["template"]["spec"]["containers"]

    def ports(spec: Any, of: Any) -> dict[int, Any]:
        named = {port.get("name"): port["containerPort"] for each in of for port in each.get("ports", [])}
        targets = {port["port"]: port.get("targetPort", port["port"]) for port in spec["ports"]}
        return {number: named.get(target, target) for number, target in targets.items()}

    given = services[0]["spec"]
    assert ports(service["spec"], rendered) == ports(given, containers)
    assert service["spec"]["type"] == given.get("type", "ClusterIP")
    assert service["spec"].get("clusterIP") == given.get("clusterIP")
    assert service["spec"].get("sessionAffinity") == given.get("sessionAffinity")


@pytest.mark.parametrize("name", ["vllm-chart", "grpc-tokens"])
def test_the_autoscaler_has_the_same_bounds_and_metrics(name: str) -> None:
    (given,) = [each["spec"] for each in objects(name) if each["kind"] == "HorizontalPodAutoscaler"]
    spec = child(converted(text(name)), "HorizontalPodAutoscaler")["spec"]

    assert (spec["minReplicas"], spec["maxReplicas"]) == (given["minReplicas"], given["maxReplicas"])
    assert len(spec["metrics"]) == len(given.get("metrics", [0]))
    assert spec.get("behavior") == given.get("behavior")
    cpu = next(each["containerResource"] for each in spec["metrics"] if each["type"] == "ContainerResource")
    assert cpu["target"]["averageUtilization"] in (70, given.get("targetCPUUtilizationPercentage"))


@manifests
def test_replicas_and_strategy_are_the_same(name: str) -> None:
    workload = stated(name)[0]
    found = converted(text(name))
    spec = child(found, "Deployment")["spec"]

    if "autoscaler" not in endpoint(found) and "max_workers" not in endpoint(found):
        assert spec["replicas"] == workload["spec"].get("replicas", 1)
    if workload["kind"] == "Deployment":
        given = workload["spec"].get("strategy", {})
        assert given.items() <= spec["strategy"].items()


@manifests
def test_the_output_is_as_reviewed(name: str) -> None:
    found = converted(text(name)).text(with_instance=True)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(found, encoding="utf-8")

    assert found == path.read_text(encoding="utf-8")


def test_a_lost_field_is_found() -> None:
    assert list(missing({"a": [{"name": "x", "b": 1}]}, {"a": [{"name": "x"}]})) == [".a[x]"]


def test_every_kind_of_case_is_there() -> None:
    assert len(NAMES) >= 9
