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

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.failures import Failure, FailureReason
from tests.unit.core.gateway.translation.cells import ALL, TRANSLATED, Cell

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
