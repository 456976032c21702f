"""The gateway beside the operator, as ``manifests/gateway`` installs it, and the real models behind it."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yaml

from tests.cluster.chat import CHAT
from tests.cluster.chat import TEMPLATE as CHAT_TEMPLATE
from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.embedding import SERVER
from tests.cluster.processes import REPOSITORY
from tests.cluster.shown import create_key
from tests.e2e.models import instance, with_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import Objects
    from tests.e2e.models import Models
    from tests.e2e.place import Images

MANIFESTS = REPOSITORY / "manifests" / "gateway"
SERVICE = "service/model-operator-gateway"
DEPLOYMENT = "deployment/model-operator-gateway"
ROLL_OUT_SECONDS = 180
CHAT_MODEL, RERANKER = "chat", "reranker"
_FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


class Gateway:
    """The gateway and a key for it.

    Attributes
    ----------
    url
        Where it is reached on this machine.
    key
        For all models of the namespace of the tests.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key


@contextmanager
def installed(cluster: Cluster, folder: Path, image: str, models: Models) -> Iterator[Gateway]:
    """Install the gateway with an image, forward a port to it, and remove it at the end.

    Parameters
    ----------
    cluster
        Where.
    folder
        For a kustomization.
    image
        The operator's, with a tag.
    models
        Whose namespace the key is for.
    """
    name, _, tag = image.rpartition(":")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(MANIFESTS, folder.resolve())],
        "images": [{"name": "model-operator", "newName": name, "newTag": tag}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    inside = ("--namespace", OPERATOR_NAMESPACE)
    cluster.kubectl("apply", "-k", folder)
    try:
        status = ("rollout", "status", DEPLOYMENT, f"--timeout={ROLL_OUT_SECONDS}s")
        cluster.kubectl(*inside, *status, timeout=ROLL_OUT_SECONDS + 5)
        key, _ = create_key(cluster.kubectl, "e2e", f"--namespace={models.namespace}")
        with forwarded(cluster) as url:
            yield Gateway(url, key)
    finally:
        cluster.kubectl("delete", "-k", folder, "--wait=false", "--ignore-not-found")


@contextmanager
def forwarded(cluster: Cluster) -> Iterator[str]:
    """Forward a port of this machine to a pod of the gateway, as the documents do; give the URL."""
    command = ["--namespace", OPERATOR_NAMESPACE, "port-forward", "--address=127.0.0.1", SERVICE, ":80"]
    with subprocess.Popen(
        [cluster.kubectl.binary, *command],
        env=cluster.kubectl.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = _FORWARDED.match(line)
            assert found is not None, line
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()


def model_objects(images: Images) -> Objects:
    """Return the templates and instances of the chat model and of the reranker."""
    chat = with_image(CHAT.template(CHAT_TEMPLATE), images.chat)
    reranking = with_image(SERVER.template("cohere-reranking"), images.model)
    # Beside all others on two CPUs, twice during a roll-out.
    for obj, cpus in ((chat, "350m"), (reranking, "100m")):
        obj["spec"]["vendor_configuration"]["endpoint_config"]["cpus"] = cpus
    talking = instance(CHAT_MODEL, CHAT_TEMPLATE)
    talking["spec"]["model_creation_parameters"] = {"MAX_TOKENS": 50}
    return [chat, reranking, talking, instance(RERANKER, "cohere-reranking")]
