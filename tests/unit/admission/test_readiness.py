"""What an operator says of itself before it has begun."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.operator import Operator
from model_operator.controller.resources import MODEL_INSTANCES
from model_operator.controller.settings import AdmissionSettings, OperatorSettings
from model_operator.controller.triggers import Scope

if TYPE_CHECKING:
    from pathlib import Path

    from model_operator.controller.client import ApiClient
    from model_operator.controller.connection import Connection


def _operator(settings: OperatorSettings) -> Operator:
    return Operator(
        settings,
        cast("Connection", SimpleNamespace(server="https://api.test")),
        cast("ApiClient", object()),
        Scope([], []),
        [MODEL_INSTANCES],
        Metrics(),
    )


def test_starting_is_alive_but_not_ready() -> None:
    operator = _operator(OperatorSettings())

    assert operator.alive() is None
    assert operator.ready() == "the caches are not filled yet"


def test_ready_takes_the_webhooks(tmp_path: Path) -> None:
    operator = _operator(OperatorSettings(admission=AdmissionSettings(port=9443, cert_dir=tmp_path)))

    operator._filled.set()

    assert operator.ready() == "the webhooks are not served"
