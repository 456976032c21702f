"""An edit of the template rolls a model under load without a failed request."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.cluster.embedding import TEMPLATE
from tests.cluster.waiting import wait_for
from tests.e2e.conftest import SERVING

if TYPE_CHECKING:
    from tests.e2e.models import Models


def test_no_request_fails_during_a_roll_out(models: Models) -> None:
    old = set(models.pods(SERVING))

    with models.load(SERVING) as load:
        generation = models.edit_template(TEMPLATE, ROLL_OUT_TEST=secrets.token_hex(4))
        models.wait_until_ready(SERVING, generation)
        # The old worker takes requests on until its clients know that it is going.
        wait_for(lambda: not old & set(models.pods(SERVING)), 60, "the old pods are gone")
        status, output = load.stop()

    print(output)
    assert status == 0, output
    assert ", 0 failed" in output
    models.api.wait_for_condition("ModelTemplate", TEMPLATE, "RolledOut")
