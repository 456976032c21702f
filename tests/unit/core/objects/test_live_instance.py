"""A ModelInstance as the API server sent it and as a typed object, in one value."""

from __future__ import annotations

from model_operator.core.templates.parsing import read_instance
from tests.unit.controller.objects import instance


def test_both_forms_are_of_one_object() -> None:
    obj = {**instance("demo"), "status": {"observedGeneration": 1, "of_a_later_version": 2}}
    live = read_instance(obj)

    assert live.raw is obj
    assert (live.metadata, live.spec) == (live.resource.metadata, live.resource.spec)
    assert (live.metadata.name, live.violations) == ("demo", ())
    assert live.status is obj["status"], "a merge patch is made of all that is stored"


def test_an_instance_that_breaks_the_schema_has_violations_and_an_empty_spec() -> None:
    live = read_instance({**instance("demo"), "spec": {"replicas": "many"}, "status": None})

    assert live.violations
    assert live.spec.replicas is None
    assert live.status == {}
