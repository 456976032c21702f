"""What is left when the operator is removed, as docs/operations.md says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hack.build.toolset import cached_tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.kubectl import CRDS
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy, instance, template
from tests.install.overlays import DEFAULT, WITHOUT_CRDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.kube_api import Object

COLLECTION_SECONDS = 240
"""The garbage collector learns of kinds every 30 s. It retries an owner of a kind that it does not know with
a growing backoff, up to minutes."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """Give a control plane of which these tests may remove everything, one after the other."""
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    # With CRDs, so that the garbage collector knows the kinds from the start on.
    with ControlPlane.start() as control_plane:
        yield control_plane


@pytest.fixture
def models(cluster: ControlPlane, tmp_path: Path) -> Iterator[KubeApi]:
    """Give a namespace's client, with an operator installed and running, and a model that serves."""
    api = installed(cluster)
    with operator(cluster, tmp_path):
        deploy(api)
        yield api
    api.close()


def installed(cluster: ControlPlane) -> KubeApi:
    """Install the operator, and give a client."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", DEFAULT)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return KubeApi(cluster.kubeconfig)


def operator(cluster: ControlPlane, folder: Path) -> OperatorProcess:
    """Start the operator, which no container here runs."""
    kubeconfig = cluster.service_account_kubeconfig("model-operator", "model-operator")
    return OperatorProcess.start(kubeconfig, log=folder / "operator.log")


def serving(api: KubeApi) -> dict[str, Object]:
    """Give what serves: the Service, the Deployment's template, and the uids of all with the pods."""
    deployment, service = api.get("Deployment", "minilm"), api.get("Service", "minilm")
    assert deployment["status"]["readyReplicas"] == 1
    return {
        "pod template": deployment["spec"]["template"],
        "selector": service["spec"]["selector"],
        "uids": {obj["metadata"]["name"]: obj["metadata"]["uid"] for obj in (deployment, *api.list("Pod"))},
    }


def test_without_the_operator_models_serve_on(cluster: ControlPlane, models: KubeApi, tmp_path: Path) -> None:
    before = serving(models)

    cluster.kubectl("delete", "-k", WITHOUT_CRDS, "--timeout=60s", timeout=90)

    assert models.find("Namespace", "model-operator") is None
    assert serving(models) == before
    assert models.get("ModelInstance", "minilm")["status"]["ready_replicas"] == 1
    # Instances can be written and deleted without it: there are no finalizers, and no webhook is in the way.
    models.apply(instance("another"))
    models.delete("ModelInstance", "another")
    models.wait_until_gone("ModelInstance", "another")
    installed(cluster).close()
    with operator(cluster, tmp_path):
        models.apply(instance("witness"))
        models.wait_for_condition("ModelInstance", "witness", "Ready")
        assert serving(models)["uids"].items() >= before["uids"].items()
        models.delete("ModelInstance", "witness")
        models.wait_until_gone("Deployment", "witness")


def test_orphaned_models_serve_on_without_crds_and_are_taken_up_again(
    cluster: ControlPlane, models: KubeApi, tmp_path: Path
) -> None:
    before = serving(models)

    words = ("delete", "modelinstances", "--all", "--all-namespaces", "--cascade=orphan", "--timeout=60s")
    cluster.kubectl(*words, timeout=90)
    cluster.kubectl("delete", "-k", DEFAULT, "--timeout=60s", timeout=90)

    assert "modelinstances.modeloperator.dev" not in cluster.kubectl("get", "crd").stdout
    assert "ownerReferences" not in models.get("Deployment", "minilm")["metadata"]
    assert serving(models) == before
    api = installed(cluster)
    with operator(cluster, tmp_path):
        api.apply(template())
        api.apply(instance())
        obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")
        (owner,) = api.get("Deployment", "minilm")["metadata"]["ownerReferences"]
        assert owner["uid"] == obj["metadata"]["uid"]
        assert serving(api) == before, "adopted, not rolled"
    api.close()


@pytest.mark.timeout(2 * COLLECTION_SECONDS)
def test_cascade_orphan_on_the_crds_keeps_no_model(cluster: ControlPlane, models: KubeApi) -> None:
    cluster.kubectl("delete", "-f", CRDS, "--cascade=orphan", "--timeout=60s", timeout=90)

    for kind in ("Deployment", "Service"):
        models.wait_until_gone(kind, "minilm", deadline=COLLECTION_SECONDS)


@pytest.mark.timeout(2 * COLLECTION_SECONDS)
def test_with_its_crds_everything_goes(cluster: ControlPlane, models: KubeApi) -> None:
    cluster.kubectl("delete", "-k", DEFAULT, "--timeout=60s", timeout=90)

    for kind in ("Deployment", "Service"):
        models.wait_until_gone(kind, "minilm", deadline=COLLECTION_SECONDS)
    wait_for(lambda: not models.list("Pod"), 60, "no pod is left")
    left = cluster.kubectl(
        "get",
        "clusterroles,clusterrolebindings,validatingwebhookconfigurations,"
        "mutatingwebhookconfigurations,validatingadmissionpolicies,crd",
        "--output=name",
    ).stdout
    assert "model" not in left
