"""Storing revisions of templates, and deleting those out of use: what is written, and what refusals mean."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_operator.controller.reconcile.revision_keeper import RevisionKeeper
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.reasons.refusals import Failure
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.revisions.objects import revision_object
from model_operator.kube.errors import ApiError
from model_operator.kube.resources import MODEL_TEMPLATE_REVISIONS
from tests.unit.controller.objects import broken, template
from tests.unit.controller.world import World

ACCEPTED, REJECTED = DryRunResult(), DryRunResult("The API server refuses it.")
KIND = "ModelTemplateRevision"
FULL = {"message": "exceeded quota: q, requested: count/modeltemplaterevisions.modeloperator.dev=1"}
TERMINATING = {"message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}


class Kept(World):
    """One template whose revisions are stored."""

    def __init__(self) -> None:
        super().__init__(is_storing=True)
        self.keeper = RevisionKeeper(self.api, self.state)

    def store(self, obj: dict[str, Any], result: DryRunResult = ACCEPTED) -> Failure | None:
        """Have the template as given, and store its revision."""
        self.cache(obj)
        return asyncio.run(self.keeper.store(obj, self.state.compiled(obj), result))

    def collect(self, obj: dict[str, Any]) -> None:
        """Have the template as given, and delete what is out of use."""
        self.cache(obj)
        asyncio.run(self.keeper.collect(obj, self.state.compiled(obj)))

    def latest(self, obj: dict[str, Any]) -> CompiledTemplate | None:
        return self.state.revisions.latest(self.state.compiled(obj))

    @property
    def numbers(self) -> list[int]:
        return sorted(
            each["number"] for each in self.state.revisions.of(self.state.compiled(template("embed")))
        )


def limited(generation: int, limit: int) -> dict[str, Any]:
    obj = template("embed", generation=generation)
    obj["spec"]["revision_history_limit"] = limit
    return obj


def name_of(obj: dict[str, Any]) -> str:
    name: str = revision_object(obj)["metadata"]["name"]
    return name


def test_each_content_is_stored_once() -> None:
    world = Kept()
    for generation in (1, 1, 2, 1, 2):
        assert world.store(template("embed", generation=generation)) is None

    first, second = (template("embed", generation=generation) for generation in (1, 2))
    assert world.api.writes == [f"create {KIND} {name_of(first)}", f"create {KIND} {name_of(second)}"]
    found = world.api.find(KIND, name_of(second))
    assert found is not None
    assert (found["spec"]["number"], found["spec"]["template"]["generation"]) == (2, 2)
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == ["t1"]


def test_an_invalid_template_has_no_revision() -> None:
    world = Kept()
    assert world.store(broken()) is None
    assert world.api.writes == []


def test_a_rejected_edit_is_not_stored_where_there_is_another_revision() -> None:
    world = Kept()
    world.store(template("embed"))
    world.store(template("embed", generation=2), REJECTED)
    assert world.numbers == [1]

    # Where there is none, its instances report what is rejected.
    alone = Kept()
    alone.store(template("embed"), REJECTED)
    assert alone.numbers == [1]


def test_an_operator_for_some_namespaces_stores_none_of_the_cluster() -> None:
    world = World(namespaces=("team",), is_storing=True)
    obj = template("embed", namespace="")
    world.cache(obj)
    keeper = RevisionKeeper(world.api, world.state)
    assert asyncio.run(keeper.store(obj, world.state.compiled(obj), ACCEPTED)) is None
    assert world.api.writes == []


def test_one_that_another_leader_has_stored_is_taken() -> None:
    world = Kept()
    obj = template("embed")
    world.api.put(revision_object(obj, 4))

    assert world.store(obj) is None
    assert world.numbers == [4]


def test_a_forged_one_of_its_name_is_a_failure_that_is_over_once_it_is_gone() -> None:
    world = Kept()
    obj = template("embed")
    forged = revision_object(obj, 1)
    forged["spec"]["template_spec"]["model_type"] = "CHAT"
    stored = world.api.put(forged)

    failure = world.store(obj)

    assert failure is not None
    assert failure.reason.name == "NameConflict"
    assert world.state.revisions.failure("t1") == failure
    assert world.latest(obj) is None
    world.api.remove(stored)
    cache = world.state.cache_of(MODEL_TEMPLATE_REVISIONS)
    cache.remove(cache.form(stored))
    assert world.store(obj) is None
    assert world.state.revisions.failure("t1") is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [((403, FULL), "QuotaExceeded"), ((403, {}), "OperatorForbidden"), ((404, {}), "Deploying")],
)
def test_a_refusal_is_a_failure(answer: tuple[int, dict[str, Any]], reason: str) -> None:
    world = Kept()
    obj = template("embed")
    world.api.refusals = {f"create {KIND} {name_of(obj)}": answer}

    failure = world.store(obj)

    assert failure is not None
    assert failure.reason.name == reason
    assert world.state.revisions.failure("t1") == failure


@pytest.mark.parametrize("answer", [(503, {}), (429, {}), (409, {}), (403, TERMINATING)])
def test_without_a_definite_answer_it_is_tried_again(answer: tuple[int, dict[str, Any]]) -> None:
    world = Kept()
    obj = template("embed")
    world.api.refusals = {f"create {KIND} {name_of(obj)}": answer}

    with pytest.raises(ApiError) as caught:
        world.store(obj)
    assert caught.value.code == answer[0]
    assert world.state.revisions.failure("t1") is None


def test_what_is_out_of_use_is_deleted_beyond_the_limit() -> None:
    world = Kept()
    for generation in range(1, 6):
        world.store(limited(generation, 2))
        world.collect(limited(generation, 2))
    # The latest, and two others.
    assert world.numbers == [3, 4, 5]

    world.collect(limited(5, 0))
    assert world.numbers == [5]
    assert [world.api.find(KIND, name_of(limited(number, 0))) is None for number in (1, 4, 5)] == [
        True,
        True,
        False,
    ]


def test_one_that_is_used_meanwhile_is_not_deleted() -> None:
    world = Kept()
    for generation in (1, 2, 3):
        world.store(limited(generation, 0))
    held = world.state.revisions.by_hash(
        world.state.compiled(limited(3, 0)), revision_object(limited(1, 0))["spec"]["hash"]
    )
    assert held is not None
    with world.state.revisions.held([held]):
        world.collect(limited(3, 0))
    assert world.numbers == [1, 3]


def test_one_that_was_changed_or_is_gone_is_left_to_its_watch_event() -> None:
    world = Kept()
    for generation in (1, 2, 3):
        world.store(limited(generation, 0))
    changed, gone = (name_of(limited(generation, 0)) for generation in (1, 2))
    world.api.put(world.api.find(KIND, changed) or {})
    world.api.remove(world.api.find(KIND, gone) or {})

    world.collect(limited(3, 0))

    assert world.numbers == [1, 2, 3]
    assert world.api.find(KIND, changed) is not None


def test_a_refused_deletion_fails_nothing() -> None:
    world = Kept()
    for generation in (1, 2):
        world.store(limited(generation, 0))
    world.api.refusals = {f"delete {KIND} {name_of(limited(1, 0))}": (403, {"message": "no"})}

    world.collect(limited(2, 0))

    assert world.numbers == [1, 2]
