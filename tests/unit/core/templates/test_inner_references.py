"""A name in a pod template that refers to another part of the pod resolves, or the template is invalid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.rendering.render import Rendering, render
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.values.violations import format_loc

PROPERTIES = {
    "PORT": {"type": ["integer", "string"], "default": "web"},
    "NUMBER": {"type": "integer", "default": 8000},
    "CLAIM": {"enum": ["gpu", "nic"], "default": "gpu"},
    "CONTAINER": {"type": "string", "default": "model"},
}


def compiled(pod_spec: Any, metadata: Any = None, **bundle: Any) -> CompiledTemplate:
    return parse_template(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml"},
            "spec": {
                "model_type": "GENERIC",
                "vendor_configuration": {
                    "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1", **bundle}
                },
                "model_creation_parameters_schema": {"properties": PROPERTIES},
                "pod_template": {"metadata": metadata or {}, "spec": pod_spec},
            },
        }
    )


def rendered(template: CompiledTemplate, **parameters: Any) -> Rendering:
    instance, _ = parse_instance(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
            "spec": {"model_template_id": "t", "model_creation_parameters": parameters},
        }
    )
    return render(template, instance)


def model(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "model", **fields}]}


def other(**fields: Any) -> dict[str, Any]:
    return {"name": "other", "image": "ghcr.io/a/other:1", **fields}


PORTS = [{"name": "web", "containerPort": 8000}]
UNRESOLVED: dict[str, tuple[dict[str, Any], str, str]] = {
    "probe": (
        model(ports=PORTS, livenessProbe={"httpGet": {"port": "wbe"}}),
        "containers[0].livenessProbe.httpGet.port",
        'refers to a port that does not exist in the ports of container "model"; did you mean web?',
    ),
    "probe by a number in quotes": (
        model(ports=PORTS, livenessProbe={"tcpSocket": {"port": "8000"}}),
        "containers[0].livenessProbe.tcpSocket.port",
        "must be the name of a port, or a number without quotes",
    ),
    "readiness probe, whose copy is not reported": (
        model(ports=PORTS, readinessProbe={"httpGet": {"port": "main"}}),
        "containers[0].readinessProbe.httpGet.port",
        'refers to a port that does not exist in the ports of container "model"',
    ),
    "hook": (
        model(lifecycle={"preStop": {"httpGet": {"path": "/drain", "port": "admin"}}}),
        "containers[0].lifecycle.preStop.httpGet.port",
        'refers to a port that does not exist in the ports of container "model"',
    ),
    "port of another container": (
        {"containers": [other(livenessProbe={"httpGet": {"port": "http"}})]},
        "containers[0].livenessProbe.httpGet.port",
        'refers to a port that does not exist: there is none in the ports of container "other"',
    ),
    "probe of a sidecar among the init containers": (
        {"initContainers": [other(restartPolicy="Always", startupProbe={"httpGet": {"port": "web"}})]},
        "initContainers[0].startupProbe.httpGet.port",
        'refers to a port that does not exist: there is none in the ports of container "other"',
    ),
    "mount": (
        model(volumeMounts=[{"name": "cahce", "mountPath": "/a"}]) | {"volumes": [{"name": "cache"}]},
        "containers[0].volumeMounts[0].name",
        "refers to a volume that does not exist in spec.volumes; did you mean cache?",
    ),
    "mount of an init container": (
        {"initContainers": [other(volumeMounts=[{"name": "data", "mountPath": "/a"}])]},
        "initContainers[0].volumeMounts[0].name",
        "refers to a volume that does not exist in spec.volumes",
    ),
    "device": (
        model(volumeDevices=[{"name": "disk", "devicePath": "/dev/x"}]),
        "containers[0].volumeDevices[0].name",
        "refers to a volume that does not exist in spec.volumes",
    ),
    "file of variables": (
        model(
            env=[{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "env", "path": "a", "key": "A"}}}]
        ),
        "containers[0].env[0].valueFrom.fileKeyRef.volumeName",
        "refers to a volume that does not exist in spec.volumes",
    ),
    "claim": (
        model(resources={"claims": [{"name": "gpus"}]}) | {"resourceClaims": [{"name": "gpu"}]},
        "containers[0].resources.claims[0].name",
        "refers to a claim that does not exist in spec.resourceClaims; did you mean gpu?",
    ),
    "container of a variable": (
        model(
            env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"containerName": "vllm", "resource": "x"}}}]
        ),
        "containers[0].env[0].valueFrom.resourceFieldRef.containerName",
        "refers to a container that does not exist in spec.containers",
    ),
    "container of a downward volume": (
        {
            "volumes": [
                {"name": "a", "downwardAPI": {"items": [{"resourceFieldRef": {"containerName": "modle"}}]}}
            ]
        },
        "volumes[0].downwardAPI.items[0].resourceFieldRef.containerName",
        "refers to a container that does not exist in spec.containers; did you mean model?",
    ),
    "container of a projected volume": (
        {
            "volumes": [
                {
                    "name": "a",
                    "projected": {
                        "sources": [
                            {"downwardAPI": {"items": [{"resourceFieldRef": {"containerName": "x"}}]}}
                        ]
                    },
                }
            ]
        },
        "volumes[0].projected.sources[0].downwardAPI.items[0].resourceFieldRef.containerName",
        "refers to a container that does not exist in spec.containers",
    ),
    "container of both lists": (
        {"containers": [other()], "initContainers": [other()]},
        "initContainers[0].name",
        "must be unique in containers and initContainers; rename one of them",
    ),
    "two ports of a name": (
        model(
            ports=[*PORTS, {"name": "web", "containerPort": 1}], readinessProbe={"httpGet": {"port": 8000}}
        ),
        "containers[0].ports[1].name",
        "must be unique in the ports of a container; remove the repeated one",
    ),
    "two ports of a number": (
        model(
            ports=[*PORTS, {"name": "b", "containerPort": 8000}], readinessProbe={"httpGet": {"port": "web"}}
        ),
        "containers[0].ports[1].containerPort",
        "must be unique in the ports of a container; remove the repeated one",
    ),
}


@pytest.mark.parametrize(("pod", "path", "message"), UNRESOLVED.values(), ids=UNRESOLVED)
def test_a_name_that_does_not_exist(pod: Any, path: str, message: str) -> None:
    (fault,) = compiled(pod).violations

    assert format_loc(fault.loc) == f"spec.pod_template.spec.{path}"
    assert fault.msg == message


def test_an_annotation_for_a_container_that_does_not_exist() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/vllm"

    (fault,) = compiled({}, {"annotations": {key: "runtime/default"}}).violations

    assert fault.loc == ("spec", "pod_template", "metadata", "annotations", key)


def test_names_that_the_operator_adds_exist() -> None:
    mount = {"name": "shared-memory", "mountPath": "/more"}
    probe = {"httpGet": {"port": "http"}}

    assert compiled(model(volumeMounts=[mount], livenessProbe=probe)).violations == ()
    assert compiled(model(livenessProbe=probe), port=8000).violations == ()


def test_probes_that_are_replaced_refer_to_nothing() -> None:
    pod = model(ports=PORTS, readinessProbe={"httpGet": {"port": "main"}})

    assert compiled(pod, healthcheck_route="/health").violations == ()


INSTANCES: dict[str, tuple[dict[str, Any], str, Any, str]] = {
    "probe": (
        model(ports=PORTS, livenessProbe={"httpGet": {"port": "$(parameters.PORT)"}}),
        "PORT",
        "main",
        "must be the name of a port of the pod",
    ),
    "probe with a number as text": (
        model(ports=PORTS, livenessProbe={"httpGet": {"port": "$(parameters.PORT)"}}),
        "PORT",
        "8000",
        "must be the name of a port of the pod",
    ),
    "claim": (
        model(resources={"claims": [{"name": "$(parameters.CLAIM)"}]})
        | {"resourceClaims": [{"name": "gpu"}]},
        "CLAIM",
        "nic",
        "must be the name of a claim of the pod",
    ),
    "container": (
        {
            "volumes": [
                {
                    "name": "a",
                    "downwardAPI": {
                        "items": [{"resourceFieldRef": {"containerName": "$(parameters.CONTAINER)"}}]
                    },
                }
            ]
        },
        "CONTAINER",
        "vllm",
        "must be the name of a container of the pod",
    ),
    "number of another port": (
        model(
            ports=[
                {"name": "http", "containerPort": 80},
                {"name": "b", "containerPort": "$(parameters.NUMBER)"},
            ]
        ),
        "NUMBER",
        80,
        "must be different from the other ports of the container",
    ),
}


@pytest.mark.parametrize(("pod", "parameter", "value", "message"), INSTANCES.values(), ids=INSTANCES)
def test_a_parameter_that_names_nothing(pod: Any, parameter: str, value: Any, message: str) -> None:
    template = compiled(pod)
    assert template.violations == ()
    assert rendered(template).violations == ()

    (fault,) = rendered(template, **{parameter: value}).violations

    assert format_loc(fault.loc) == f"spec.model_creation_parameters.{parameter}"
    assert fault.msg == message


NAMES = st.sampled_from(["http", "web", "a", "b"])
NUMBERS = st.sampled_from([80, 5005, 8000])
PORT = NAMES | NUMBERS | st.just("$(parameters.NUMBER)")
HANDLERS = st.one_of(
    st.builds(lambda port: {"httpGet": {"port": port}}, PORT),
    st.builds(lambda port: {"tcpSocket": {"port": port}}, PORT),
    st.builds(lambda port: {"grpc": {"port": port}}, NUMBERS),
    st.just({"exec": {"command": ["check"]}}),
)
FIELDS = {
    "ports": st.lists(
        st.fixed_dictionaries(
            {"containerPort": NUMBERS | st.just("$(parameters.NUMBER)")},
            optional={"name": NAMES, "protocol": st.sampled_from(["TCP", "UDP"])},
        ),
        max_size=3,
    ),
    "readinessProbe": HANDLERS,
    "livenessProbe": HANDLERS,
    "startupProbe": HANDLERS,
    "lifecycle": st.fixed_dictionaries({"preStop": HANDLERS}),
    "volumeMounts": st.lists(
        st.builds(lambda name: {"name": name, "mountPath": "/dev/shm"}, NAMES), max_size=2
    ),
    "resources": st.fixed_dictionaries({"claims": st.lists(st.builds(lambda name: {"name": name}, NAMES))}),
}
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["model", "a", "b"])}, optional=FIELDS),
    max_size=3,
    unique_by=lambda each: each["name"],
).map(
    lambda drawn: [
        each if each["name"] == "model" else {**each, "image": "ghcr.io/a/other:1"} for each in drawn
    ]
)
PODS = st.fixed_dictionaries(
    {"containers": CONTAINERS},
    optional={
        "volumes": st.lists(
            st.builds(lambda name: {"name": name}, NAMES), unique_by=lambda each: each["name"]
        ),
        "resourceClaims": st.lists(st.builds(lambda name: {"name": name}, NAMES)),
    },
)


@given(
    pod=PODS,
    bundle=st.fixed_dictionaries(
        {}, optional={"port": NUMBERS, "healthcheck_route": st.just("/health"), "env": st.just({"A": "1"})}
    ),
    number=NUMBERS,
)
def test_whatever_is_rendered_resolves(pod: Any, bundle: Any, number: int) -> None:
    """A judge of its own, on the rendered objects alone: it shares no code with the checks."""
    template = compiled(pod, **bundle)
    if template.violations:
        return
    rendering = rendered(template, NUMBER=number)
    if rendering.violations:
        assert {fault.loc[-1] for fault in rendering.violations} == {"NUMBER"}
        return
    (found,) = rendering.deployments
    spec = found.deployment.manifest["spec"]["template"]["spec"]
    volumes = {each["name"] for each in spec.get("volumes", ())}
    claims = {each["name"] for each in spec.get("resourceClaims", ())}
    for container in spec["containers"]:
        ports = container.get("ports", [])
        names = [port["name"] for port in ports if "name" in port]
        keys = [(port["containerPort"], port.get("protocol", "TCP")) for port in ports]
        assert len(names) == len(set(names))
        assert len(keys) == len(set(keys))
        for action in (container, container.get("lifecycle", {})):
            for handlers in action.values():
                for handler in handlers.values() if isinstance(handlers, dict) else ():
                    port = handler.get("port") if isinstance(handler, dict) else None
                    assert port is None or isinstance(port, int) or port in names
        assert {each["name"] for each in container.get("volumeMounts", ())} <= volumes
        assert {each["name"] for each in container.get("resources", {}).get("claims", ())} <= claims
    assert found.service is not None
    target = found.service.manifest["spec"]["ports"][0]["targetPort"]
    # As the endpoint controller: the first port of the name, in the order of the containers.
    ports = [(each["name"], port) for each in spec["containers"] for port in each.get("ports", ())]
    reached = [
        owner
        for owner, port in ports
        if port.get("protocol", "TCP") == "TCP" and target in (port.get("name"), port["containerPort"])
    ]
    assert reached[0] == "model" if isinstance(target, str) else "model" in reached
