"""Every cell of the table: which have a translation, and what each makes of recorded bodies.

``UPDATE_GOLDEN=1 pytest tests/unit/core/gateway/translation/test_cells.py`` writes the results to cells.yaml.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.apis import Treatment, treatment
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.translation import translation
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.templates.contracts import request_schema, response_schema
from model_operator.core.templates.model_apis import apis_of
from tests.unit.core.gateway.translation.cells import ALL, STAMP, TRANSLATED, Cell
from tests.unit.core.gateway.translation.cells import cell as cell_of

GOLDEN = Path(__file__).parent / "cells.yaml"
RECORDED = [cell for cell in TRANSLATED if cell.protocol is not EndpointProtocol.VLLM]
# The table as documented, written out: type, protocol and the routes that are translated.
_TYPED = {
    ModelType.CHAT_COMPLETION: "platform-chat-completions",
    ModelType.COMPLETION: "platform-completions",
    ModelType.EMBEDDING: "platform-embeddings",
    ModelType.RERANKING: "platform-rerankings",
}
TABLE = {
    (ModelType.CHAT_COMPLETION, "OPENAI"): {"execute"},
    (ModelType.CHAT_COMPLETION, "SGP"): {"chat-completions"},
    (ModelType.COMPLETION, "OPENAI"): {"execute"},
    (ModelType.COMPLETION, "SGP"): {"completions"},
    (ModelType.EMBEDDING, "OPENAI"): {"execute", "embed-v2"},
    (ModelType.EMBEDDING, "SGP"): {"embeddings", "embed-v2"},
    (ModelType.EMBEDDING, "COHERE"): {"execute", "embeddings"},
    (ModelType.EMBEDDING, "TEI"): {"execute", "embeddings", "embed-v2"},
    (ModelType.RERANKING, "OPENAI"): {"execute"},
    (ModelType.RERANKING, "COHERE"): {"execute"},
    (ModelType.RERANKING, "SGP"): {"rerank-v1", "rerank-v2"},
    (ModelType.RERANKING, "TEI"): {"execute", "rerank-v1", "rerank-v2"},
}


def expected(cell: Cell) -> bool:
    protocol = "OPENAI" if cell.protocol is EndpointProtocol.VLLM else str(cell.protocol)
    routes = TABLE.get((cell.model_type, protocol))
    return routes is not None and cell.route.name in routes | {_TYPED[cell.model_type]}


@pytest.mark.parametrize("cell", ALL, ids=str)
def test_a_cell_has_a_translation_if_and_only_if_the_table_has_it(cell: Cell) -> None:
    assert cell.is_translated is expected(cell)
    if cell.is_translated:
        cell.translation().request(cell.request)
        return
    with pytest.raises(Failure) as raised:
        cell.translation()
    assert raised.value.reason is FailureReason.API_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("served_name", "requested", "sent"),
    [("served", "m", "served"), (None, "m", "m"), (None, "", "team-a/m")],
)
def test_the_name_of_the_model_for_the_server(served_name: str | None, requested: str, sent: str) -> None:
    each = cell_of("platform-chat-completions", "CHAT_COMPLETION", "OPENAI")
    translated = translation(each.route, each.deployment(served_name), requested, STAMP)
    assert json.loads(translated.request(each.request).body)["model"] == sent


def results(cell: Cell) -> dict[str, Any]:
    translation = cell.translation()
    request = translation.request(cell.request)
    assert not request.is_stream
    found: dict[str, Any] = {
        "path": request.path,
        "body": json.loads(request.body),
        "answer": json.loads(translation.response(json.dumps(cell.server["answer"]).encode())),
    }
    if cell.stream_request:
        translation = cell.translation()
        request = translation.request(cell.stream_request)
        assert request.is_stream
        translator = translation.stream()
        text = translator.feed(cell.server["stream"].encode())
        assert translator.failure is None
        found["stream_path"] = request.path
        found["stream_body"] = json.loads(request.body)
        found["stream"] = (text + translator.end()).decode()
    return found


PLATFORM = [cell for cell in RECORDED if cell.route.name == "execute"]
CONTRACT = [cell for cell in RECORDED if cell.protocol is EndpointProtocol.SGP]
SEED = parse_parameter_schema({"additionalProperties": True}, ())


@pytest.mark.parametrize("cell", CONTRACT, ids=str)
def test_a_request_to_a_platform_server_fulfils_its_contract(cell: Cell) -> None:
    schema = request_schema(cell.model_type, SEED)
    for body in filter(None, [cell.request, cell.stream_request]):
        Draft202012Validator(schema).validate(json.loads(cell.translation().request(body).body))


@pytest.mark.parametrize("cell", PLATFORM, ids=str)
def test_an_answer_of_the_platform_fulfils_its_contract(cell: Cell) -> None:
    validator = Draft202012Validator(response_schema(cell.model_type))
    found = results(cell)
    validator.validate(found["answer"])
    for line in found.get("stream", "").splitlines():
        if line.startswith("data: "):
            validator.validate(json.loads(line.removeprefix("data: ")))


LETTERS = {Treatment.PASS: "P", Treatment.EXECUTE: "E", Treatment.TRANSLATE: "T"}
COLUMNS = {
    "execute": ("execute",),
    "chat/completions": ("chat-completions",),
    "completions": ("completions",),
    "embeddings": ("embeddings",),
    "rerank": ("rerank-v1", "rerank-v2"),
    "embed": ("embed-v2",),
    "typed": tuple(_TYPED.values()),
}


def documented() -> dict[tuple[str, str, str], str]:
    """Return the letters of the table in docs/gateway.md by type, protocol and column."""
    text = (Path(__file__).parents[5] / "docs" / "gateway.md").read_text(encoding="utf-8")
    table = text.partition("| type | protocol | ")[2].partition("\n\n")[0].splitlines()
    columns = table[0].strip("| ").split(" | ")
    assert columns == list(COLUMNS)
    found: dict[tuple[str, str, str], str] = {}
    for line in table[2:]:
        kind, protocols, *letters = (cell.strip() for cell in line.removeprefix("|").split("|")[:-1])
        for protocol in EndpointProtocol if protocols == "any" else protocols.split(", "):
            found |= {
                (kind, str(protocol), column): letter
                for column, letter in zip(columns, letters, strict=True)
                if letter
            }
    return found


def test_the_document_has_the_table() -> None:
    found: dict[tuple[str, str, str], str] = {}
    for cell in ALL:
        has_type = cell.route.types is None or cell.model_type in cell.route.types
        if has_type and cell.route.api in apis_of(cell.model_type, cell.protocol):
            (column,) = (name for name, routes in COLUMNS.items() if cell.route.name in routes)
            letter = LETTERS[treatment(cell.route, cell.model_type, cell.protocol)]
            assert found.setdefault((cell.model_type, cell.protocol, column), letter) == letter
    assert documented() == found


def test_the_record_is_of_the_cells_of_the_table() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        record = {str(cell): results(cell) for cell in RECORDED}
        GOLDEN.write_text(
            yaml.dump(record, sort_keys=False, width=1000, allow_unicode=True), encoding="utf-8"
        )
    assert list(yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))) == [str(cell) for cell in RECORDED]


@pytest.mark.parametrize("cell", TRANSLATED, ids=str)
def test_a_recorded_pair(cell: Cell) -> None:
    record = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))
    assert results(cell) == record[str(cell).replace("VLLM", "OPENAI")]  # two names of one protocol
