"""Real models behind the gateway, called by unmodified clients and as the documents say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import openai
import pytest

from tests.cluster.embedding import CLIENT
from tests.cluster.gateway.streams import chat, client
from tests.cluster.kube_api import KubeApiError
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.docs.blocks import Block, blocks
from tests.e2e.conftest import SERVING
from tests.e2e.gateway import CHAT_MODEL, RERANKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi, Object
    from tests.e2e.gateway import Gateway
    from tests.e2e.models import Models

THIS = "tested by: tests/e2e/test_gateway.py"
DOCUMENTED = "http://127.0.0.1:8080"
EXPECTED = ("Paris", "A puppy chases its tail.")
CLIENTS = ("curl", "from openai import", "import cohere")
CALLS = [
    block
    for block in blocks((REPOSITORY / "docs" / "gateway.md").read_text(encoding="utf-8"))
    if block.mark == THIS and DOCUMENTED in block.text
]


def test_a_chat_arrives_in_pieces(gateway: Gateway) -> None:
    with client(gateway.url, gateway.key) as given:
        pieces = list(chat(given, CHAT_MODEL))

    assert len(pieces) > 2
    assert "Paris" in "".join(pieces)


def test_what_is_not_openai_s_api_is_translated(gateway: Gateway, models: Models) -> None:
    assert "endpoint_protocol" not in models.api.get("ModelTemplate", "embedding-server")["spec"]
    with client(gateway.url, gateway.key) as given:
        answer = given.embeddings.create(model=f"{models.namespace}/{SERVING}", input=["a dog", "a cat"])

    assert [len(each.embedding) for each in answer.data] == [256, 256]


def test_a_wrong_key_is_refused(gateway: Gateway) -> None:
    with client(gateway.url, "no.such.key") as given, pytest.raises(openai.AuthenticationError):
        given.models.list()


@pytest.mark.parametrize("block", CALLS, ids=lambda block: f"line {block.line}")
def test_the_calls_of_the_document_are_answered(gateway: Gateway, block: Block) -> None:
    text = block.text.replace(DOCUMENTED, gateway.url)
    command = [sys.executable, "-c", text] if block.language == "python" else ["sh", "-euc", text]
    done = subprocess.run(
        command,
        env=os.environ | {"KEY": gateway.key},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert '"error"' not in done.stdout
    assert any(expected in done.stdout for expected in EXPECTED), done.stdout


def test_the_document_has_a_call_by_each_client() -> None:
    assert {client for client in CLIENTS for block in CALLS if client in block.text} == set(CLIENTS)


@pytest.fixture
def restricted(models: Models) -> Iterator[KubeApi]:
    """Give a client of a namespace that admits only pods of the level restricted."""
    name = f"{models.namespace}-restricted"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    models.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    there = models.api.in_namespace(name)
    wait_for(lambda: there.find("ServiceAccount", "default"), 60, "the namespace can have pods")
    yield there
    models.api.delete("Namespace", name)


def test_the_models_satisfy_the_level_restricted(
    gateway: Gateway, models: Models, restricted: KubeApi
) -> None:
    with pytest.raises(KubeApiError, match="violates PodSecurity"):
        restricted.create(copy_of(models.api.get("Pod", CLIENT)), dry_run=True)
    for model in (SERVING, CHAT_MODEL, RERANKER):
        for worker in models.workers(model):
            restricted.create(copy_of(models.api.get("Pod", worker)), dry_run=True)


def copy_of(pod: Object) -> Object:
    """Return a pod with the same containers and security contexts, for any namespace and node."""
    spec = pod["spec"]
    kept = {
        key: spec[key]
        for key in ("containers", "initContainers", "securityContext", "volumes")
        if key in spec
    }
    text = json.loads(json.dumps(kept))
    text["volumes"] = [each for each in text.get("volumes", []) if not _is_token(each)]
    for container in [*text["containers"], *text.get("initContainers", [])]:
        mounts = container.get("volumeMounts", [])
        container["volumeMounts"] = [each for each in mounts if not _is_token(each)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy"}, "spec": text}


def _is_token(volume: Object) -> bool:
    return str(volume["name"]).startswith("kube-api-access-")
