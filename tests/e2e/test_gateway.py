"""Real models behind the gateway, called by unmodified clients and as the documents say."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import openai
import pytest

from tests.cluster.embedding import CLIENT
from tests.cluster.gateway.streams import chat, client
from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import Block, blocks
from tests.e2e.conftest import SERVING
from tests.e2e.gateway import CHAT_MODEL, RERANKER

if TYPE_CHECKING:
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


def test_the_models_satisfy_the_level_restricted(gateway: Gateway, models: Models) -> None:
    level = "pod-security.kubernetes.io/enforce=restricted"
    said = models.kubectl("label", "--dry-run=server", "namespace", models.namespace, level)

    # Kubernetes warns of the pods that are there and would be refused; of several alike it names one.
    assert f"{CLIENT}: " in said
    assert "other pod" not in said
    for model in (SERVING, CHAT_MODEL, RERANKER):
        assert models.workers(model)
        assert not [pod for pod in models.workers(model) if pod in said], said
