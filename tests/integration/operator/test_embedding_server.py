"""The manifests of the embedding server, as the operator carries them out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.processes import REPOSITORY

pytestmark = pytest.mark.usefixtures("operator")

MANIFESTS = REPOSITORY / "examples" / "embedding-server" / "manifests"


def model_container(deployment: dict[str, Any]) -> dict[str, Any]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(dict(container) for container in containers if container["name"] == "model")


def test_two_instances_of_one_template_differ_in_what_their_parameters_say(api: KubeApi) -> None:
    for name in yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"]:
        for obj in yaml.safe_load_all((MANIFESTS / name).read_text()):
            api.apply(obj)

    for template in ("embedding-server", "reranking-server"):
        api.wait_for_condition("ModelTemplate", template, "Ready")
    rolled_out = {
        name: api.wait_for_condition("ModelInstance", name, "Ready", deadline=60)
        for name in ("minilm", "wordllama", "minilm-reranker")
    }
    containers = {name: model_container(api.get("Deployment", name)) for name in rolled_out}
    variables = {
        name: {entry["name"]: entry["value"] for entry in container["env"]}
        for name, container in containers.items()
    }
    assert variables["minilm"] == {
        "MODEL_TYPE": "EMBEDDING",
        "DRAIN_SECONDS": "3",
        "MODEL_NAME": "all-MiniLM-L6-v2",
        "NORMALIZE": "true",
        "BATCH_SIZE": "8",
    }
    assert variables["wordllama"] == variables["minilm"] | {
        "MODEL_NAME": "wordllama-l2-supercat-256",
        "BATCH_SIZE": "16",
    }
    assert variables["minilm-reranker"] == {
        "MODEL_TYPE": "RERANKING",
        "DRAIN_SECONDS": "3",
        "MODEL_NAME": "all-MiniLM-L6-v2",
    }
    assert len({container["image"] for container in containers.values()}) == 1
    assert containers["minilm"]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    status = {name: obj["status"] for name, obj in rolled_out.items()}
    assert "texts" in status["minilm"]["request_schema"]["properties"]
    assert "chunks" in status["minilm-reranker"]["request_schema"]["properties"]
