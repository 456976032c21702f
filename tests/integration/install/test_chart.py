"""The Helm chart installs what the manifests do, and its values change what they say."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.build.toolset import cached_helm, cached_tools
from hack.chart import CHART
from model_operator import __version__
from model_operator.controller.webhooks.certificate import SECRET_NAME
from tests.cluster.kube_api import (
    KubeApi,
    without_status,
)
from tests.examples.objects import instance, template
from tests.install.overlays import (
    FOLDER,
    OVERLAYS,
    Key,
    deployments,
    key,
    objects,
    pod_spec,
    variables,
)

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import Object

OFF = {"enabled": False}
ON = {"enabled": True}
# Another cluster's ways, which take no more than a patch.
LEFT_TO_KUSTOMIZE = {"admission-policy", "openshift"}
VALUES: dict[str, dict[str, Any]] = {
    "cert-manager": {"certManager": ON},
    "default": {},
    "gateway": {"gateway": ON},
    "kind": {
        "image": {"repository": "docker.io/library/model-operator", "pullPolicy": "IfNotPresent"},
        "replicas": 1,
    },
    "prometheus": {"prometheus": ON},
    "single-namespace": {"namespaces": ["models"], "webhook": OFF},
}
KEPT = "helm.sh/resource-policy"


@pytest.fixture(scope="module")
def helm() -> Path:
    """Give the program."""
    found = cached_helm()
    if found is None:
        raise LookupError("Helm is not built yet: run `make tools`.")
    return found


def run(helm: Path, *words: str | Path, kubeconfig: Path | None = None, check: bool = True) -> Any:
    """Run Helm with folders of its own."""
    folder = (kubeconfig or Path("/nonexistent/none")).parent / "helm"
    environment = {
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "KUBECONFIG": str(kubeconfig or ""),
        **{f"HELM_{name}_HOME": str(folder / name) for name in ("CACHE", "CONFIG", "DATA")},
    }
    done = subprocess.run(
        [helm, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def rendered(
    helm: Path, values: dict[str, Any], folder: Path, namespace: str = "model-operator"
) -> list[Object]:
    """Render the chart."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    words = ("template", "model-operator", CHART, "--namespace", namespace, "--values", path)
    return objects(run(helm, *words).stdout)


def kustomized(folder: Path) -> list[Object]:
    """Render a kustomization."""
    tools = cached_tools()
    assert tools
    done = subprocess.run([tools["kubectl"], "kustomize", folder], capture_output=True, text=True, check=True)
    return objects(done.stdout)


def comparable(found: list[Object]) -> dict[Key, Object]:
    """Give objects by name, without what differs for a reason."""
    kept = [obj for obj in found if obj["kind"] != "Namespace"]
    for obj in kept:
        if obj["kind"] == "Deployment":
            (container,) = obj["spec"]["template"]["spec"]["containers"]
            container["env"] = variables(obj)
        if obj["kind"] == "CustomResourceDefinition" and obj["metadata"].get("annotations"):
            assert obj["metadata"].pop("annotations") == {KEPT: "keep"}
        if obj["kind"].startswith("ValidatingAdmissionPolicy"):
            # kustomize takes kinds that it does not know for namespaced ones; the API server knows better.
            obj["metadata"].pop("namespace", None)
    by_key = {key(obj): obj for obj in kept}
    assert len(by_key) == len(kept)
    return by_key


def test_every_overlay_is_a_value_or_left_to_kustomize() -> None:
    assert set(OVERLAYS) <= set(VALUES) | LEFT_TO_KUSTOMIZE


@pytest.mark.parametrize("overlay", sorted(set(OVERLAYS) & set(VALUES)))
def test_chart_renders_what_the_overlay_does(helm: Path, overlay: str, tmp_path: Path) -> None:
    namespace = "models" if overlay == "single-namespace" else "model-operator"

    wanted = comparable(kustomized(FOLDER / overlay))
    got = comparable(rendered(helm, VALUES[overlay], tmp_path, namespace))

    assert set(got) == set(wanted)
    assert got == wanted


def test_another_namespace_and_image_by_a_kustomization_of_one_s_own(helm: Path, tmp_path: Path) -> None:
    kustomization = {
        "namespace": "elsewhere",
        "resources": [os.path.relpath(FOLDER / "default", tmp_path)],
        "images": [{"name": "model-operator", "newName": "registry.test/operator", "newTag": "9"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    values = {"image": {"repository": "registry.test/operator", "tag": "9"}}
    assert comparable(kustomized(tmp_path)) == comparable(rendered(helm, values, tmp_path, "elsewhere"))


def test_gateway_with_a_certificate_and_alone_in_front_of_workers(helm: Path, tmp_path: Path) -> None:
    overlay = FOLDER / "gateway"
    kustomization = {
        "resources": [
            os.path.relpath(each, tmp_path) for each in (overlay, FOLDER / "prometheus" / "gateway")
        ],
        "components": [os.path.relpath(overlay / "tls", tmp_path)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (policy,) = kustomized(overlay / "only-through-gateway")
    gateway = {
        "tls": {"secretName": "model-operator-gateway-tls"},
        "onlyThroughGateway": ["team-a", "team-b"],
    }

    found = rendered(helm, {"gateway": {**ON, **gateway}, "prometheus": ON}, tmp_path)

    only = [obj for obj in found if obj["metadata"]["name"] == policy["metadata"]["name"]]
    namespaces = [obj["metadata"].pop("namespace") for obj in only]
    assert (namespaces, only) == (["team-a", "team-b"], [policy, policy])
    of_the_gateway = [obj for obj in found if "gateway" in obj["metadata"]["name"] and obj not in only]
    wanted = [obj for obj in kustomized(tmp_path) if "gateway" in obj["metadata"]["name"]]
    assert comparable(of_the_gateway) == comparable(wanted)


def test_gateway_beside_another_overlay(helm: Path, tmp_path: Path) -> None:
    folders = (FOLDER / "cert-manager", FOLDER.parent / "gateway")
    kustomization = {"resources": [os.path.relpath(each, tmp_path) for each in folders]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    wanted = comparable(kustomized(tmp_path))

    assert wanted == comparable(rendered(helm, {"certManager": ON, "gateway": ON}, tmp_path))


def test_values_reach_the_gateway(helm: Path, tmp_path: Path) -> None:
    gateway = {
        **ON,
        "replicas": 3,
        "resources": {"limits": {"memory": "2Gi"}},
        "settings": {"LOG_LEVEL": "debug"},
        "prometheusNamespace": "observability",
    }
    values = {"gateway": gateway, "image": {"repository": "registry.test/operator", "tag": "9"}}

    found = rendered(helm, {**values, "tolerations": [{"operator": "Exists"}]}, tmp_path, "elsewhere")

    operator, deployment = sorted(deployments(found), key=lambda obj: str(obj["metadata"]["name"]))
    assert operator["spec"]["replicas"] == 2
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (deployment["spec"]["replicas"], pod["tolerations"]) == (3, [{"operator": "Exists"}])
    assert container["image"] == "registry.test/operator:9"
    assert container["resources"]["limits"] == {"memory": "2Gi"}
    assert variables(deployment) == {
        "MODEL_OPERATOR_GATEWAY_LOG_FORMAT": "json",
        "MODEL_OPERATOR_GATEWAY_LOG_LEVEL": "debug",
    }
    namespaced = {obj["metadata"]["namespace"] for obj in found if "namespace" in obj["metadata"]}
    assert namespaced == {"elsewhere"}
    (policy,) = [obj for obj in found if key(obj)[0::2] == ("NetworkPolicy", "model-operator-gateway")]
    (source,) = policy["spec"]["ingress"][1]["from"]
    assert source["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}


def test_chart_has_the_operator_s_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_linter_finds_nothing(helm: Path) -> None:
    assert "[WARNING]" not in run(helm, "lint", "--strict", CHART).stdout


def test_namespace_is_the_release_s(helm: Path, tmp_path: Path) -> None:
    found = rendered(helm, {"certManager": ON}, tmp_path, "elsewhere")
    assert "model-operator.svc" not in yaml.safe_dump_all(found)
    assert {obj["metadata"]["namespace"] for obj in found if "namespace" in obj["metadata"]} == {"elsewhere"}
    services = [webhook["clientConfig"]["service"] for obj in found for webhook in obj.get("webhooks", [])]
    assert {service["namespace"] for service in services} == {"elsewhere"}
    subjects = [subject["namespace"] for obj in found for subject in obj.get("subjects", [])]
    assert set(subjects) == {"elsewhere"}


def test_values_reach_the_pod(helm: Path, tmp_path: Path) -> None:
    values = {
        "image": {"repository": "registry.test/operator", "tag": "9"},
        "imagePullSecrets": [{"name": "pull"}],
        "replicas": 5,
        "resources": {"limits": {"memory": "2Gi"}},
        "priorityClassName": "important",
        "tolerations": [{"operator": "Exists"}],
        "settings": {"LOG_LEVEL": "debug", "RENDERING__RUN_AS_NON_ROOT": True, "WORKERS": 4},
    }
    found = rendered(helm, values, tmp_path)
    (deployment,) = [obj for obj in found if obj["kind"] == "Deployment"]
    pod = pod_spec(found)
    (container,) = pod["containers"]
    assert deployment["spec"]["replicas"] == 5
    assert container["image"] == "registry.test/operator:9"
    assert container["resources"]["limits"] == {"memory": "2Gi"}
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert (pod["priorityClassName"], pod["tolerations"]) == ("important", [{"operator": "Exists"}])
    environment = variables(deployment)
    assert environment["MODEL_OPERATOR_LOG_LEVEL"] == "debug"
    assert environment["MODEL_OPERATOR_RENDERING__RUN_AS_NON_ROOT"] == "true"
    assert environment["MODEL_OPERATOR_WORKERS"] == "4"


def test_without_webhooks_nothing_of_them_is_left(helm: Path, tmp_path: Path) -> None:
    found = rendered(helm, {"webhook": OFF}, tmp_path)
    assert not {obj["kind"] for obj in found} & {"Service", "Certificate"}
    assert not [obj for obj in found if "webhooks" in obj]
    granted = [rule for obj in found if obj["kind"] in ("Role", "ClusterRole") for rule in obj["rules"]]
    assert not [
        rule
        for rule in granted
        if {"secrets", "admissionregistration.k8s.io"} & {*rule["resources"], *rule["apiGroups"]}
    ]
    (policy,) = [obj for obj in found if obj["kind"] == "NetworkPolicy"]
    assert [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] == ["health"]


@pytest.mark.parametrize(
    ("words", "is_there"),
    [
        ((), True),
        (("--set", "confinement.enabled=false"), False),
        (("--kube-version", "1.30.0"), True),
        (("--set", "namespaces={a}", "--set", "webhook.enabled=false"), False),
    ],
)
def test_operator_is_confined_unless_a_value_says_otherwise(
    helm: Path, words: tuple[str, ...], is_there: bool
) -> None:
    found = objects(run(helm, "template", "model-operator", CHART, *words).stdout)
    names = [obj["metadata"]["name"] for obj in found if obj["kind"].startswith("ValidatingAdmissionPolicy")]
    assert names.count("model-operator-confinement") == (2 if is_there else 0)


def test_several_namespaces_get_a_role_each_and_nothing_belongs_to_the_cluster(
    helm: Path, tmp_path: Path
) -> None:
    values = {"namespaces": ["a", "b"], "webhook": OFF, "crds": {"install": False}, "networkPolicy": OFF}
    found = rendered(helm, values, tmp_path)
    assert all("namespace" in obj["metadata"] for obj in found)
    for kind in ("Role", "RoleBinding"):
        names = {
            (obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in found if obj["kind"] == kind
        }
        assert names >= {("a", "model-operator-models"), ("b", "model-operator-models")}
    (deployment,) = [obj for obj in found if obj["kind"] == "Deployment"]
    assert variables(deployment)["MODEL_OPERATOR_NAMESPACES"] == "a,b"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"namespaces": ["a"]}, "namespaces: expected webhook.enabled=false"),
        ({"namespaces": ["a"], "webhook": OFF, "gateway": ON}, "gateway.enabled: expected no namespaces"),
        ({"gateway": {**ON, "replica": 2}}, "additional properties 'replica' not allowed"),
        ({"gateway": {**ON, "settings": {"PORT": 1}}}, "PORT"),
        ({"certManager": ON, "webhook": OFF}, "certManager.enabled: expected webhook.enabled=true"),
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"settings": {"ADMISSION__PORT": 1}}, "ADMISSION__PORT"),
        ({"settings": {"log_level": "debug"}}, "log_level"),
        ({"namespaces": "a"}, "namespaces"),
    ],
)
def test_values_that_cannot_be_meant(
    helm: Path, values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    done = run(helm, "template", "model-operator", CHART, "--values", path, check=False)
    assert done.returncode != 0
    assert message in done.stderr


def test_release_installs_upgrades_without_a_change_and_keeps_models_when_it_goes(
    fresh: ControlPlane, administrator: KubeApi, helm: Path
) -> None:
    release = (
        "model-operator",
        CHART,
        "--namespace",
        "operator",
        "--create-namespace",
        "--wait",
        "--timeout=90s",
    )
    run(helm, "install", *release, kubeconfig=fresh.kubeconfig)

    def written() -> dict[Any, Any]:
        kinds = "deployment,pdb,networkpolicy,service"
        asked = ("--namespace", "operator", "get", kinds, "--output=json", "--show-managed-fields")
        return {key(obj): without_status(obj) for obj in json.loads(fresh.kubectl(*asked).stdout)["items"]}

    before = written()
    assert before
    content = {"data": {"tls.crt": "AA=="}}
    administrator.in_namespace("operator").patch("Secret", SECRET_NAME, content)

    run(helm, "upgrade", *release, kubeconfig=fresh.kubeconfig)

    assert written() == before
    assert administrator.in_namespace("operator").get("Secret", SECRET_NAME)["data"] == content["data"]
    api = administrator
    api.apply(template())
    api.apply(instance())
    run(helm, "uninstall", "model-operator", "--namespace", "operator", "--wait", kubeconfig=fresh.kubeconfig)
    assert api.in_namespace("operator").find("Deployment", "model-operator") is None
    assert api.in_namespace("operator").find("Secret", SECRET_NAME) is None
    assert api.get("ModelInstance", "minilm")["spec"]["model_template_id"] == "encoder"
