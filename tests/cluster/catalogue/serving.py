"""A template of the catalogue on a real node: its image, its claim with the model, and an instance."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import yaml

from tests.cluster.catalogue.servers import CLAIM_FOLDER
from tests.cluster.nodes.real import import_image
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.catalogue.servers import Server
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import KubeApi, Object

FILL_SECONDS = 120.0
READY_SECONDS = 300.0


@contextmanager
def serving(server: Server, cluster: ControlPlane, api: KubeApi, folder: Path) -> Iterator[Object]:
    """Run a server with its example of an instance, and remove both at the end.

    Parameters
    ----------
    server
        Which.
    cluster
        Whose node is given the image.
    api
        A client for the instance's namespace.
    folder
        For a kustomization.

    Yields
    ------
    Object
        The instance, which is Ready.
    """
    import_image(cluster.directory, server.ensure_image())
    claim = server.claim
    objects = [_template(server, cluster, folder), server.instance]
    volume = _volume(claim, api.namespace, cluster.directory / "claims" / server.name)
    try:
        for obj in (volume, claim, filler := _filler(server, claim)):
            api.apply(obj)
        _wait_until_filled(api, filler)
        for obj in objects:
            api.apply(obj)
        yield api.wait_for_condition(
            "ModelInstance", server.instance["metadata"]["name"], "Ready", deadline=READY_SECONDS
        )
    finally:
        for obj in (*objects[::-1], filler, claim, volume):
            api.delete(obj["kind"], obj["metadata"]["name"])
        api.wait_until_gone("ModelInstance", server.instance["metadata"]["name"])


def _template(server: Server, cluster: ControlPlane, folder: Path) -> Object:
    """Return the template as kustomize builds it, with the components that the documents have."""
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(server.kustomization(folder)))
    built: list[Object] = list(yaml.safe_load_all(cluster.kubectl("kustomize", folder).stdout))
    (found,) = (obj for obj in built if obj["metadata"]["name"] == server.name)
    return found


def _volume(claim: Object, namespace: str, folder: Path) -> Object:
    """Return a volume for a claim: a folder of the node, as nothing else provides volumes there."""
    name = claim["metadata"]["name"]
    spec = {
        "accessModes": claim["spec"]["accessModes"],
        "capacity": claim["spec"]["resources"]["requests"],
        "claimRef": {"namespace": namespace, "name": name},
        "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"},
    }
    metadata = {"name": f"{namespace}-{name}"}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def _filler(server: Server, claim: Object) -> Object:
    container = {
        "name": "fill",
        "image": server.image,
        "command": list(server.fill),
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "claim", "mountPath": CLAIM_FOLDER}],
    }
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "claim", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}},
        ],
    }
    metadata = {"name": f"fill-{server.name}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _wait_until_filled(api: KubeApi, filler: Object) -> None:
    def over() -> str:
        phase: str = api.get("Pod", filler["metadata"]["name"])["status"]["phase"]
        return phase if phase in {"Succeeded", "Failed"} else ""

    assert wait_for(over, FILL_SECONDS, "the claim is filled") == "Succeeded"
