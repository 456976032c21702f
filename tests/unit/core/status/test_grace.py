"""What restarts the grace period: a change of the instance or of what it runs, and no other edit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model_operator.core.planning.plan import make_plan
from model_operator.core.status.grace import Since, Standing, instance_standing, observe
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from tests.unit.controller.objects import instance, template

INVALID = {"conditions": [{"type": "Stalled", "status": "True", "reason": "InvalidParameters"}]}


def standing(generation: int = 3, **spec: Any) -> Standing:
    known = template("embed")
    known["metadata"]["generation"] = generation
    known["spec"] |= spec
    obj = instance("demo", bound="t1")
    obj["metadata"]["generation"] = 2
    obj["spec"]["model_creation_parameters"] = {"UNKNOWN": 1}
    live = read_instance(obj)
    return instance_standing(live, make_plan(live.resource, parse_template(known), RenderSettings()))


def test_an_edit_that_concerns_no_instance_does_not_restart_the_grace_period() -> None:
    assert standing() == standing(generation=4, revision_history_limit=3, name="Other")
    assert standing() != standing(generation=4, endpoint_type="BATCH")


@pytest.mark.parametrize(
    ("bound", "known"),
    [
        ({"uid": "t0", "generation": 1, "revision": standing().template}, True),
        ({"uid": "t1", "generation": 3, "revision": "000000000000"}, False),
        ({"uid": "t1", "generation": 3}, True),
        ({"uid": "t1", "generation": 2}, False),
        ({}, False),
    ],
)
def test_after_a_restart_a_problem_of_the_same_revision_is_not_new(
    bound: dict[str, Any], known: bool
) -> None:
    given = replace(standing(), problem="InvalidParameters")
    assert given.version is not None
    assert given.version.uid == "t1"
    status = {**INVALID, "observedGeneration": 2, "template": bound}

    found = observe(None, given, status, 5.0)

    assert found == Since(given, float("-inf") if known else 5.0)
