"""What llama.cpp is given: the settings, the template's parameters among them, and the prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from chat_server.engine import parameters
from chat_server.prompts import CHAT_TEMPLATE, STOPS
from chat_server.settings import Settings
from tests.cluster.processes import REPOSITORY
from tests.unit.chat_server.stub import xllamacpp

EXAMPLE = REPOSITORY / "examples" / "chat-server"
TEMPLATE: dict[str, Any] = next(yaml.safe_load_all((EXAMPLE / "manifests" / "chat.yaml").read_text()))["spec"]
DECLARED: dict[str, dict[str, Any]] = TEMPLATE["model_creation_parameters_schema"]["properties"]


def given(**fields: Any) -> Any:
    return parameters(xllamacpp, Settings(model_file=Path("/models/m.gguf"), **fields))


def test_the_context_is_that_of_each_request() -> None:
    found = given(context_length=512, parallel=3, threads=2, max_tokens=9, temperature=0.5, port=80)

    assert found.n_ctx == 3 * 512
    assert (found.n_parallel, found.n_predict, found.sampling.temp) == (3, 9, 0.5)
    assert found.cpuparams.n_threads == found.cpuparams_batch.n_threads == 2
    assert (found.hostnames, found.port) == (["0.0.0.0"], 80)
    assert found.n_threads_http > 3


def test_earlier_prompts_take_no_memory_and_no_page_is_served() -> None:
    found = given()

    assert (found.cache_ram_mib, found.n_ctx_checkpoints, found.ui, found.endpoint_slots) == (
        0,
        0,
        False,
        False,
    )


def test_a_conversation_becomes_questions_and_answers() -> None:
    messages = [
        {"role": "system", "content": "Answers are short."},
        {"role": "user", "content": "What is red?"},
        {"role": "assistant", "content": "A colour."},
        {"role": "user", "content": "And blue?"},
    ]
    template = jinja2.Environment().from_string(CHAT_TEMPLATE)

    text = template.render(messages=messages, bos_token="<bos>", add_generation_prompt=True)

    assert text.startswith("<bos>Answers are short.\n\nQuestion: Which ocean")
    assert text.endswith("Question: What is red?\nAnswer: A colour.\n\nQuestion: And blue?\nAnswer:")
    # The example of the template ends where an answer does.
    assert all(stop in text for stop in STOPS)


@pytest.mark.parametrize("bound", ["minimum", "maximum", "default"])
def test_every_value_that_the_template_allows_is_a_setting(bound: str) -> None:
    for name, schema in DECLARED.items():
        Settings.model_validate({"model_file": "m", name.lower(): str(schema[bound])})


def test_what_the_template_sets_is_what_the_server_reads() -> None:
    bundle = TEMPLATE["vendor_configuration"]["bundle_config"]
    fields = set(Settings.model_fields)

    assert {name.lower() for name in (*DECLARED, *bundle["env"])} <= fields
    endpoint = TEMPLATE["vendor_configuration"]["endpoint_config"]
    # The operator's own sleep before SIGTERM is 5 s by default.
    assert endpoint["termination_grace_period_seconds"] > 5 + int(bundle["env"]["FINISH_SECONDS"])


def test_the_terms_of_the_weights_are_named() -> None:
    for file in ("README.md", "manifests/chat.yaml", "requirements.in"):
        assert re.search(r"https://ai\.google\.dev/gemma/terms", (EXAMPLE / file).read_text()), file
