"""What the environment may say, and one line for what it may not."""

from __future__ import annotations

import pytest

from embedding_server.settings import Settings, SettingsError, read_settings

MINILM = "all-MiniLM-L6-v2"
KNOWN = "expected one of all-MiniLM-L6-v2, wordllama-l2-supercat-256."


def test_defaults() -> None:
    assert read_settings({"MODEL_NAME": MINILM, "BATCH_SIZE": "", "HOME": "/"}) == Settings(
        model_name=MINILM,
        model_type="EMBEDDING",
        normalize=True,
        batch_size=8,
        max_tokens=None,
        port=5005,
        drain_seconds=3.0,
    )


def test_everything_can_be_set() -> None:
    environ = {
        "MODEL_NAME": MINILM,
        "MODEL_TYPE": "RERANKING",
        "NORMALIZE": "false",
        "BATCH_SIZE": "1",
        "MAX_TOKENS": "512",
        "PORT": "8080",
        "DRAIN_SECONDS": "0.5",
    }

    assert read_settings(environ).model_dump() == {
        "model_name": MINILM,
        "model_type": "RERANKING",
        "normalize": False,
        "batch_size": 1,
        "max_tokens": 512,
        "port": 8080,
        "drain_seconds": 0.5,
    }


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, f"MODEL_NAME is not set: {KNOWN}"),
        ({"MODEL_NAME": "bert"}, f"MODEL_NAME='bert': {KNOWN}"),
        (
            {"MODEL_NAME": MINILM, "MODEL_TYPE": "AGENT"},
            "MODEL_TYPE='AGENT': Input should be 'EMBEDDING' or 'RERANKING'.",
        ),
        (
            {"MODEL_NAME": MINILM, "BATCH_SIZE": "0"},
            "BATCH_SIZE='0': Input should be greater than or equal to 1.",
        ),
        ({"MODEL_NAME": MINILM, "MAX_TOKENS": "513"}, f"MAX_TOKENS=513: {MINILM} takes at most 512."),
    ],
)
def test_one_line_says_what_is_wrong(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(environ)

    assert str(raised.value) == message
