"""The page of models of the real gateway: the code that it shows runs as it stands, and prompts stream."""

from __future__ import annotations

import gc
import io
import subprocess
from contextlib import redirect_stdout
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Browser, expect

from tests.cluster.waiting import wait_for
from tests.fixtures.browser import chromium, in_its_loop
from tests.fixtures.gateway import chat_template, model_instance, model_page

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess, StubWorkers
    from tests.cluster.kube_api import KubeApi

__all__ = ["chromium"]

KINDS: dict[str, dict[str, Any]] = {
    "complete": {"model_type": "COMPLETION", "endpoint_protocol": "OPENAI"},
    "embed": {"model_type": "EMBEDDING", "endpoint_protocol": "OPENAI"},
    "rank": {"model_type": "RERANKING", "endpoint_protocol": "COHERE"},
    "any": {
        "model_type": "GENERIC",
        "endpoint_protocol": "SGP",
        "model_request_parameters_schema": {
            "type": "object",
            "properties": {"size": {"type": "integer", "minimum": 2}},
            "required": ["size"],
        },
    },
}
PRINTED = {
    "chat": {"curl": '"content": "w1 "', "openai": "w1 w2 w3 w4 \n", "scale-gp": "stub 127."},
    "complete": {"curl": '"text": "w1 "', "openai": "w1 w2 w3 w4 \n", "scale-gp": "stub 127."},
    "embed": {"curl": "0.5", "openai": "2 dimensions\n2 dimensions\n", "scale-gp": "'a cat'"},
    "rank": {
        "curl": '"relevance_score"',
        "cohere": "1.000 A puppy chases its tail.\n",
        "scale-gp": "[0.5, 1.0]",
    },
    "any": {"curl": "stub 127.", "scale-gp": "stub 127."},
}
"""What the code for each client prints, by model."""


class Codes(HTMLParser):
    """The code on a page: client and text, by name of the model."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._within: list[str] = []
        self._model = self._client = ""
        self.feed(text)

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        within = self._within[-2:]
        if within == ["h3", "bdi"]:
            self._model = data.partition("/")[2]
        elif within[-1:] == ["h4"]:
            self._client = data
        elif within == ["pre", "code"]:
            self.found.setdefault(self._model, {})[self._client] = data


def run(client: str, text: str) -> str:
    """Run code as it stands; return what it prints."""
    if client == "curl":
        command = ["bash", "-o", "pipefail", "-euc", text]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(text, client, "exec"), {})
    # It leaves its client to the end of the process: the connection is closed while the test ignores that.
    gc.collect()
    return printed.getvalue()


@pytest.fixture
def kinds(api: KubeApi, chat: str, stub: StubWorkers, gateway: GatewayProcess, key: str) -> str:
    """Create a model of each kind beside the one that chats; give the page when all are ready."""
    for name, fields in KINDS.items():
        api.apply(chat_template(stub.port, name, **fields))
        api.apply(model_instance(name, name))
    wait_for(
        lambda: model_page(gateway, token=key)[1].count(">Ready</p>") == 1 + len(KINDS),
        90,
        "all models are ready",
    )
    return model_page(gateway, token=key)[1]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_code_on_the_page_runs_as_it_stands(
    kinds: str, key: str, monkeypatch: pytest.MonkeyPatch, gateway: GatewayProcess
) -> None:
    monkeypatch.setenv("KEY", key)
    codes = Codes(kinds).found
    assert {model: set(clients) for model, clients in codes.items()} == {
        model: set(clients) for model, clients in PRINTED.items()
    }
    for model, clients in codes.items():
        for client, text in clients.items():
            assert key not in text
            printed = run(client, text)
            expected = PRINTED[model][client]
            assert expected.replace(" ", "") in printed.replace(" ", ""), (model, client, printed)
    assert key not in kinds
    assert key not in gateway.log.read_text()


def test_a_model_that_is_not_ready_says_why(
    api: KubeApi, operator: None, stub: StubWorkers, gateway: GatewayProcess, key: str
) -> None:
    api.apply(chat_template(stub.port))
    api.apply(model_instance())
    api.wait_for_condition("ModelInstance", "chat", "Ready")
    wait_for(lambda: ">Ready</p>" in model_page(gateway, token=key)[1], 60, "the model is ready")
    api.patch("ModelInstance", "chat", {"spec": {"suspend": True}})
    wait_for(lambda: "Suspended" in model_page(gateway, token=key)[1], 60, "the page has the reason")
    assert "No worker is ready." in model_page(gateway, token=key)[1]


def test_a_wrong_key_is_401_and_not_logged(gateway: GatewayProcess) -> None:
    status, text = model_page(gateway, token="a-wrong-key")
    assert status == 401
    assert "expired or been revoked" in text
    assert 'name="token"' in text
    assert "a-wrong-key" not in gateway.log.read_text()


@in_its_loop
async def test_a_prompt_streams_through_the_real_gateway(
    chat: str, gateway: GatewayProcess, key: str, chromium: Browser, stub: StubWorkers
) -> None:
    tab = await chromium.new_page(base_url=gateway.url)
    await tab.goto("/")
    await tab.get_by_label("Key", exact=True).fill(key)
    await tab.get_by_label("Key", exact=True).press("Enter")
    entry = tab.get_by_role("article", name=chat)
    await entry.locator("summary", has_text="Try").click()
    await entry.get_by_label("Prompt").fill("Hello")
    await entry.get_by_role("button", name="Send").click()
    await expect(entry.locator(".answer")).to_have_text("w1 w2 w3 w4 ", timeout=30_000)
    await expect(entry.locator(".progress")).to_have_text("The answer is complete.")
    assert [each["path"] for each in stub.requests()] == ["/v1/chat/completions"]
    await tab.close()
