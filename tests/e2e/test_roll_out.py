"""An edit of templates rolls models under load, behind a Service and the gateway, and no request fails."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.cluster.chat import TEMPLATE as CHAT_TEMPLATE
from tests.cluster.embedding import TEMPLATE
from tests.cluster.gateway.streams import Streams
from tests.cluster.waiting import wait_for
from tests.e2e.conftest import SERVING
from tests.e2e.gateway import CHAT_MODEL

if TYPE_CHECKING:
    from tests.e2e.gateway import Gateway
    from tests.e2e.models import Models


def test_no_request_fails_during_a_roll_out(models: Models, gateway: Gateway) -> None:
    rolled = {SERVING: TEMPLATE, CHAT_MODEL: CHAT_TEMPLATE}
    old = {pod for model in rolled for pod in models.pods(model)}

    with models.load(SERVING) as load, Streams(gateway.url, gateway.key, CHAT_MODEL) as streams:
        variable = {"ROLL_OUT_TEST": secrets.token_hex(4)}
        generations = {model: models.edit_template(name, **variable) for model, name in rolled.items()}
        for model, generation in generations.items():
            models.wait_until_ready(model, generation)
        # The old workers take requests on until their clients know that they are going.
        wait_for(
            lambda: not old & {pod for model in rolled for pod in models.pods(model)},
            90,
            "the old pods are gone",
        )
        status, output = load.stop()
        counted = streams.stop()

    print(output, counted, sep="\n")
    assert status == 0, output
    assert ", 0 failed" in output
    assert streams.failures == []
    assert streams.streams > 0
    assert streams.requests > 0
    for template in rolled.values():
        models.api.wait_for_condition("ModelTemplate", template, "RolledOut")
