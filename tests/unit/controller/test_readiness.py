"""What an operator says of itself before it has begun."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from structlog.testing import capture_logs

from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.operator import Operator
from model_operator.controller.scope import Scope
from model_operator.controller.watch.resync import Resync
from model_operator.kube.errors import error_for
from model_operator.kube.resources import MODEL_INSTANCES
from model_operator.settings import AdmissionSettings, OperatorSettings
from tests.unit.controller import virtual_clock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from model_operator.controller.watch.initial_list import Listed
    from model_operator.kube.client import ApiClient
    from model_operator.kube.connection import Connection


def _operator(settings: OperatorSettings, connection: object | None = None) -> Operator:
    return Operator(
        settings,
        cast("Connection", connection or SimpleNamespace(server="https://api.test", renew=None)),
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

    operator._is_filled = True

    assert operator.ready() == "the webhooks are not served"


def test_credentials_that_are_refused_while_it_lists_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    async def renew() -> None:
        events.append("renewed")

    async def fill(_: Resync) -> dict[Listed, str]:
        events.append("listed")
        if len(events) == 1:
            raise error_for(401, {"message": "Unauthorized"}, "GET /apis")
        return {}

    monkeypatch.setattr(Resync, "fill", fill)
    operator = _operator(OperatorSettings(), SimpleNamespace(server="https://api.test", renew=renew))
    with capture_logs() as logs:
        virtual_clock.run(operator.fill())

    assert events == ["listed", "renewed", "listed"]
    assert [entry["event"] for entry in logs] == ["cannot fill the caches yet", "caches are filled"]
    assert operator.ready() is None
