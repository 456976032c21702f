"""Each overlay installs all by one apply on an empty cluster, and a second apply changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.controller.webhooks.certificate import SECRET_NAME
from tests.cluster.kube_api import (
    KubeApi,
    without_status,
)
from tests.cluster.kubectl import KubectlError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import LOOPBACK, write_certificate
from tests.examples.objects import instance, template
from tests.install.overlays import (
    FOLDER,
    OVERLAYS,
    deployments,
    foreign_crds,
    key,
    objects,
    operator_deployment,
    variables,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl
    from tests.install.overlays import Key

OWN_CERTIFICATE = ("admission-policy", "default", "gateway", "kind", "openshift")


def stored(kubectl: Kubectl, folder: Path) -> dict[Key, Object]:
    """Give each object that a folder applies, but for what controllers say of it."""
    shown = json.loads(kubectl("get", "-k", folder, "--output=json", "--show-managed-fields").stdout)["items"]
    return {key(obj): without_status(obj) for obj in shown}


def settled(kubectl: Kubectl, folder: Path) -> dict[Key, Object]:
    """Give the objects once the controllers have written their part."""
    seen: list[dict[Key, Object]] = []

    def unchanged() -> bool:
        seen.append(stored(kubectl, folder))
        return len(seen) > 5 and all(each == seen[-1] for each in seen[-5:])

    wait_for(unchanged, 60, "nothing changes any more")
    return seen[-1]


def started(cluster: ControlPlane, rendered: list[Object], directory: Path) -> OperatorProcess:
    """Start an operator as the pod would be: with the overlay's variables, as its ServiceAccount."""
    deployment = operator_deployment(rendered)
    namespace = deployment["metadata"]["namespace"]
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    environment = {**variables(deployment), "MODEL_OPERATOR_LEADER_ELECTION": "on"}
    if "MODEL_OPERATOR_ADMISSION__PORT" in environment:
        (port,) = free_ports(1)
        environment |= {
            "MODEL_OPERATOR_ADMISSION__PORT": str(port),
            "MODEL_OPERATOR_ADMISSION__HOST": LOOPBACK,
        }
    if "MODEL_OPERATOR_ADMISSION__CERT_DIR" in environment:
        write_certificate(directory)
        environment["MODEL_OPERATOR_ADMISSION__CERT_DIR"] = str(directory)
    kubeconfig = cluster.service_account_kubeconfig(namespace, account)
    return OperatorProcess.start(kubeconfig, log=directory / "operator.log", environment=environment)


PATCHED_EACH_TIME = {
    f"poddisruptionbudget.policy/{name} configured" for name in ("model-operator", "model-operator-gateway")
}
"""kubectl sends the selector, which is merged by replacing it, even where it is the same."""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_apply_installs_all_and_a_second_changes_nothing(
    fresh: ControlPlane, administrator: KubeApi, overlay: str, tmp_path: Path
) -> None:
    folder = FOLDER / overlay
    kubectl = fresh.kubectl
    rendered = objects(kubectl("kustomize", folder).stdout)
    if foreign := foreign_crds(rendered):
        kubectl("apply", "-f", "-", input=yaml.safe_dump_all(foreign))
        kubectl("wait", "--for=condition=Established", "crd", "--all")
    namespace = operator_deployment(rendered)["metadata"]["namespace"]

    done = kubectl("apply", "-k", folder)

    assert done.stderr == "", "Pod Security and the API server warn of nothing"
    assert len(done.stdout.splitlines()) == len(rendered)
    # Pod Security and all else lets the pods be made, and the scheduler finds nodes for them.
    for deployment in deployments(rendered):
        name = f"deployment/{deployment['metadata']['name']}"
        kubectl("--namespace", namespace, "rollout", "status", name, "--timeout=60s")
    with started(fresh, rendered, tmp_path) as operator:
        bundled = [obj for obj in rendered if overlay in OWN_CERTIFICATE and "webhooks" in obj]
        for configuration in bundled:
            wait_for(lambda obj=configuration: _has_bundle(administrator, obj))  # type: ignore[misc]
        before = settled(kubectl, folder)

        again = kubectl("apply", "-k", folder)

        assert stored(kubectl, folder) == before
        told = {line for line in again.stdout.splitlines() if not line.endswith(" unchanged")}
        assert told <= PATCHED_EACH_TIME
        for configuration in bundled:
            assert _has_bundle(administrator, configuration)
        # Nothing here leads from the API server to the Service: each write would wait for seconds.
        kubectl("delete", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "--all")
        models = administrator.in_namespace("models" if overlay == "single-namespace" else "default")
        models.apply(template())
        models.apply(instance())
        models.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=60)
        operator.check_running()


def _has_bundle(api: KubeApi, configuration: Object) -> bool:
    live = api.get(configuration["kind"], configuration["metadata"]["name"])
    return all(webhook["clientConfig"].get("caBundle") for webhook in live["webhooks"])


def test_operator_s_namespace_takes_none_but_restricted_pods(fresh: ControlPlane) -> None:
    fresh.kubectl("apply", "-k", FOLDER / "default")
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted'):
        fresh.kubectl("--namespace", "model-operator", "run", "root", "--image=root", "--dry-run=server")


def test_server_side_apply_installs_the_same(fresh: ControlPlane) -> None:
    apply = ("apply", "--server-side", "-k", FOLDER / "default")
    fresh.kubectl(*apply)
    fresh.kubectl(
        "--namespace", "model-operator", "rollout", "status", "deployment/model-operator", "--timeout=60s"
    )
    before = settled(fresh.kubectl, FOLDER / "default")
    fresh.kubectl(*apply)
    assert _without_times(stored(fresh.kubectl, FOLDER / "default")) == _without_times(before)


def test_applying_the_empty_secret_again_keeps_its_content(
    fresh: ControlPlane, administrator: KubeApi
) -> None:
    """Also one that an earlier version of the operator has made itself, of a type that cannot be changed."""
    own = administrator.in_namespace("model-operator")
    file = FOLDER.parent / "base" / "certificate.yaml"
    fresh.kubectl("create", "namespace", "model-operator")
    fresh.kubectl("apply", "-f", file)
    for kind in ("Opaque", "kubernetes.io/tls"):
        own.delete("Secret", SECRET_NAME)
        content = {"tls.crt": "AA==", "tls.key": "AA=="}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET_NAME}}
        own.create({**secret, "type": kind, "data": content})
        for words in ((), ("--server-side", "--force-conflicts"), ()):
            fresh.kubectl("apply", *words, "-f", file)
            assert own.get("Secret", SECRET_NAME)["data"] == content
        assert fresh.kubectl("diff", "-f", file).stdout == ""
    fresh.kubectl("delete", "-f", file)
    assert own.find("Secret", SECRET_NAME) is None


def _without_times(objects_by_key: dict[Key, Object]) -> dict[Key, Object]:
    """Leave out when managed fields were written, and their order, which goes by that.

    Where a controller has applied a status within the second of the first apply, as it does for policies, the
    API server (1.36.3) puts the two in another order with the second apply, and writes that.
    """
    for obj in objects_by_key.values():
        entries = obj["metadata"]["managedFields"]
        obj["metadata"]["managedFields"] = sorted(
            ({field: value for field, value in each.items() if field != "time"} for each in entries), key=str
        )
    return objects_by_key
