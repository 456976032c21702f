"""No object that a list or a watch brings raises where it is taken in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.kube.resources import (
    CHILD_KINDS,
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    ResourceKind,
)
from tests.unit.controller.world import World

KINDS = (MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES, *CHILD_KINDS)
META = {"namespace": "team", "name": "a", "uid": "u", "resourceVersion": "7"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {}},
        {"metadata": {**META, "resourceVersion": "x"}},
        {"metadata": {"name": {}, "namespace": 1}},
    ],
    ids=repr,
)
def test_what_has_no_metadata_is_skipped_and_counted(
    kind: ResourceKind, event: str | None, obj: dict[str, Any]
) -> None:
    world = World()
    world.triggers.observe(kind, None, {"metadata": META, "spec": {}})
    world.triggers.observe(kind, event, obj)

    assert world.unreadable == [kind]
    assert len(world.state.cache_of(kind)) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(
    st.sampled_from(KINDS),
    st.lists(
        st.fixed_dictionaries(
            {"labels": ANYTHING, "ownerReferences": ANYTHING, "annotations": ANYTHING, "spec": ANYTHING},
            optional={"status": ANYTHING, "deletionTimestamp": ANYTHING},
        ),
        min_size=2,
        max_size=3,
    ),
)
def test_an_object_of_any_shape_never_raises(kind: ResourceKind, versions: list[dict[str, Any]]) -> None:
    world = World()
    for number, each in enumerate(versions, 1):
        metadata = {**META, **each, "resourceVersion": str(number)}
        obj = {"metadata": metadata, "spec": each["spec"], "status": each.get("status")}
        world.triggers.observe(kind, "MODIFIED", obj)
    world.triggers.observe(kind, "DELETED", {"metadata": {**META, "resourceVersion": "99"}})


def test_what_is_too_large_is_counted_each_time_that_it_comes() -> None:
    world = World()
    for version in (1, 2):
        metadata = {**META, "resourceVersion": str(version)}
        spec = {"model_template_id": "t", "description": "x" * 70_000}
        world.triggers.observe(MODEL_INSTANCES, "MODIFIED", {"metadata": metadata, "spec": spec})

    assert world.unreadable == [MODEL_INSTANCES] * 2
    assert len(world.state.instances) == 1


def test_what_is_skipped_is_logged_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    obj = {"metadata": {"name": "a"}, "spec": {"k": "s3cret"}}
    for _ in range(50):
        world.triggers.observe(MODEL_INSTANCES, "MODIFIED", obj)

    written = "".join(capsys.readouterr())
    assert written.count("skipped an object that cannot be read") == 1
    assert "s3cret" not in written.split("Traceback")[0]
