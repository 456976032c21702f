"""What the environment may say, and one line for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat_server.settings import SettingsError, read_settings


@pytest.fixture
def weights(tmp_path: Path) -> str:
    file = tmp_path / "model.gguf"
    file.touch()
    return str(file)


def test_defaults_fit_a_small_worker(weights: str) -> None:
    assert read_settings({"MODEL_FILE": weights, "THREADS": "", "HOME": "/"}).model_dump() == {
        "model_file": Path(weights),
        "served_name": "gemma-3-270m",
        "context_length": 1024,
        "max_tokens": 256,
        "temperature": 0.0,
        "parallel": 2,
        "threads": 1,
        "host": "0.0.0.0",
        "port": 5005,
        "finish_seconds": 60.0,
    }


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"MODEL_FILE": ""}, "MODEL_FILE is not set: expected the path of a GGUF file."),
        ({"MODEL_FILE": "/none.gguf"}, "MODEL_FILE='/none.gguf': expected a file, found none."),
        ({"THREADS": "0"}, "THREADS='0': Input should be greater than or equal to 1."),
        (
            {"PORT": "http"},
            "PORT='http': Input should be a valid integer, unable to parse string as an integer.",
        ),
        ({"TEMPERATURE": "3"}, "TEMPERATURE='3': Input should be less than or equal to 2."),
    ],
)
def test_a_wrong_value_is_named(weights: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"MODEL_FILE": weights} | environ)

    assert str(caught.value) == message
