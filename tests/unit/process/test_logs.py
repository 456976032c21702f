"""What the log says of a defect: where it is, and nothing that a user gave."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest
import structlog

from model_operator.api import ModelInstance
from model_operator.process.logs import configure_logging
from model_operator.settings import LogFormat, LogLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUE = "hf_not_to_be_seen"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _converted() -> None:
    value = VALUE
    int(value)


def _looked_up() -> None:
    try:
        _converted()
    except ValueError as error:
        raise KeyError(VALUE) from error


def _together() -> None:
    try:
        _looked_up()
    except KeyError as error:
        raise ExceptionGroup(VALUE, [error, OSError(VALUE)]) from None


def _validated() -> None:
    ModelInstance.model_validate({"metadata": {"name": "minilm"}, "spec": {"replicas": VALUE}})


FAULTS = {
    "conversion": (_converted, ["builtins.ValueError"]),
    "cause": (_looked_up, ["builtins.KeyError", "caused by", "builtins.ValueError"]),
    "group": (_together, ["builtins.ExceptionGroup", "one of its", "builtins.KeyError", "builtins.OSError"]),
    "schema": (_validated, ["ValidationError"]),
}


@pytest.mark.parametrize("log_format", LogFormat)
@pytest.mark.parametrize("name", FAULTS)
def test_a_defect_is_shown_without_values(
    name: str, log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    fault, expected = FAULTS[name]
    configure_logging(log_format, LogLevel.DEBUG, sys.stderr)
    for log in (structlog.get_logger("model_operator"), logging.getLogger("somebody")):
        try:
            fault()
        except Exception:
            log.exception("reconciliation failed")
        written = capsys.readouterr().err
        assert VALUE not in written
        text = json.loads(written)["exception"] if log_format is LogFormat.JSON else written
        assert "reconciliation failed" in written
        places = [text.index(word) for word in expected]
        assert places == sorted(places)
        assert f"in {fault.__name__}" in text
        assert "(its message is left out)" in text
