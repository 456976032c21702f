"""Which revision of a template instances run, from what the caches have."""

from __future__ import annotations

from typing import Any

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.objects.template_annotation import with_template_revision
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.templates.compile import CompiledTemplate
from tests.unit.controller.objects import broken, child, instance, revision, template
from tests.unit.controller.world import World


class Templates:
    """A template and its stored revisions."""

    def __init__(self, *stored: TemplateKind) -> None:
        self.state = ClusterState(stored=stored or list(TemplateKind))
        self.revisions = self.state.revisions

    def be(self, obj: dict[str, Any]) -> CompiledTemplate:
        self.state.templates[TemplateKind(obj["kind"])].put(obj)
        return self.state.compiled(obj)

    def store(self, obj: dict[str, Any]) -> str:
        self.revisions.caches[TemplateKind(obj["kind"].removesuffix("Revision"))].put(obj)
        return str(obj["spec"]["hash"])

    def latest(self, template_now: CompiledTemplate) -> str | None:
        found = self.revisions.latest(template_now)
        return None if found is None else found.revision


def test_nothing_is_run_before_it_is_stored() -> None:
    world = Templates()
    now = world.be(template("embed"))
    assert world.latest(now) is None
    assert world.revisions.is_awaited(now)

    first = world.store(revision(template("embed")))
    assert world.latest(now) == first == now.revision
    assert world.revisions.latest(now) is now
    assert not world.revisions.is_awaited(now)

    edited = world.be(template("embed", generation=2, status={"latest_revision": first}))
    assert world.latest(edited) == first
    second = world.store(revision(template("embed", generation=2), 2))
    assert world.latest(edited) == second

    # And back again.
    assert world.latest(world.be(template("embed", status={"latest_revision": second}))) == first


def test_a_broken_template_has_the_last_valid_revision() -> None:
    world = Templates()
    first = world.store(revision(template("embed"), 1))
    second = world.store(revision(template("embed", generation=2), 2))

    assert world.latest(world.be(broken(generation=3, status={"latest_revision": first}))) == first
    # A restored backup has no status.
    assert world.latest(world.be(broken(generation=4))) == second
    assert not world.revisions.is_awaited(world.be(broken(generation=4)))


def test_no_older_revision_takes_the_place_of_one_that_was_deleted() -> None:
    world = Templates()
    world.store(revision(template("embed"), 1))
    second = template("embed", generation=2)
    status = {"latest_revision": revision(second)["spec"]["hash"]}

    # It is about to be stored again.
    assert world.latest(world.be({**second, "status": status})) == status["latest_revision"]
    assert world.latest(world.be(broken(generation=3, status=status))) is None
    edited = world.be(template("embed", generation=4, status=status))
    assert world.latest(edited) is None
    assert world.revisions.is_awaited(edited)

    # Whatever template it was stored for.
    world.store(revision(template("embed", generation=2, uid="t0"), 2))
    assert world.latest(world.be(broken(generation=5, status=status))) == status["latest_revision"]


def test_no_older_revision_takes_the_place_of_one_that_is_no_longer_valid() -> None:
    world = Templates()
    world.store(revision(template("embed"), 1))
    # Valid for the operator that stored it.
    last = world.store(revision(broken(generation=2), 2))
    assert world.latest(world.be(broken(generation=2, status={"latest_revision": last}))) is None


def test_the_revisions_of_a_deleted_template_are_none_of_an_invalid_one() -> None:
    world = Templates()
    first = world.store(revision(template("embed", uid="t0")))
    assert world.latest(world.be(template("embed"))) == first, "applied again"
    brought = revision(template("embed", uid="t0", generation=2), 0)
    del brought["metadata"]["ownerReferences"]

    assert world.latest(world.be(broken(generation=3))) is None
    found = world.store(brought)
    assert world.latest(world.be(broken(generation=5))) == found


def test_it_has_the_metadata_of_the_template_as_it_is_now() -> None:
    world = Templates()
    first = world.store(revision(template("embed"), 1))
    now = world.be(broken(uid="t9", generation=3))

    found = world.revisions.by_hash(now, first)

    assert found is not None
    assert found.resource.metadata == now.resource.metadata
    assert world.revisions.by_hash(now, first) is found
    assert world.revisions.by_hash(now, "000000000000") is None


def test_a_forged_revision_does_not_count() -> None:
    world = Templates()
    forged = revision(template("embed"))
    forged["spec"]["template_spec"]["model_type"] = "CHAT"
    world.store(forged)

    assert world.latest(world.be(template("embed"))) is None
    assert world.revisions.of(world.be(template("embed"))) == []


def test_revisions_of_others_do_not_count() -> None:
    world = Templates()
    other = world.store(revision(template("other")))
    world.store(revision(template("embed", namespace="elsewhere")))
    world.store(revision(template("embed", namespace="")))
    now = world.be(template("embed"))

    assert world.latest(now) is None
    assert world.revisions.by_hash(now, other) is None


def test_where_they_are_not_stored_instances_follow_the_template() -> None:
    world = Templates(TemplateKind.MODEL_TEMPLATE)
    now = world.be(template("embed", namespace=""))

    assert world.latest(now) is None
    assert not world.revisions.is_awaited(now)


def test_only_what_concerns_instances_is_news() -> None:
    world = Templates()
    now = world.be(template("embed"))
    assert [world.revisions.is_news(now), world.revisions.is_news(now)] == [True, False]
    world.revisions.note("t1", Failure(Reason.QuotaExceeded, "Full."))
    assert [world.revisions.is_news(now), world.revisions.is_news(now)] == [True, False]
    world.revisions.note("t1", None)
    world.store(revision(template("embed")))
    assert [world.revisions.is_news(now), world.revisions.is_news(now)] == [True, False]

    # An edit is none before it is stored, nor one that breaks the template or concerns no model.
    assert not world.revisions.is_news(world.be(template("embed", generation=2)))
    status = {"latest_revision": now.revision}
    assert not world.revisions.is_news(world.be(broken(generation=3, status=status)))
    limited = template("embed")
    limited["metadata"]["generation"] = 4
    limited["spec"]["revision_history_limit"] = 3
    assert not world.revisions.is_news(world.be(limited))
    edited = world.be(template("embed", generation=5))
    world.store(revision(template("embed", generation=5), 2))
    assert world.revisions.is_news(edited)


def test_what_is_in_use() -> None:
    world = Templates()
    now = template("embed")
    compiled = world.be(now)
    running, pinned = instance("running", bound="t1"), instance("pinned", uid="i2")
    running["status"]["template"]["revision"] = "aaaaaaaaaaaa"
    pinned["spec"]["model_template_revision"] = "bbbbbbbbbbbb"
    other = instance("other", uid="i3", template_id="other")
    other["spec"]["model_template_revision"] = "cccccccccccc"
    for each in (running, pinned, other):
        world.state.instances.put(each)

    with world.revisions.held([compiled]), world.revisions.held([compiled] * 2), world.revisions.held([]):
        assert world.state.revisions_in_use(now) == {"aaaaaaaaaaaa", "bbbbbbbbbbbb", compiled.revision}
    assert world.state.revisions_in_use(now) == {"aaaaaaaaaaaa", "bbbbbbbbbbbb"}


def test_stable_and_approved_revisions_and_those_of_a_restored_instance_are_in_use() -> None:
    world = World(is_storing=True)
    now = template("embed", status={"stable_revision": "a" * 12})
    now["spec"]["rollout"] = {"approved": "b" * 12}
    world.cache(now)
    demo = instance("demo")
    world.cache(demo)
    world.cache(with_template_revision(child("demo", owner=demo), "c" * 12))
    assert world.state.revisions_in_use(now) == {"a" * 12, "b" * 12, "c" * 12}
    assert world.state.revisions_in_use({**now, "spec": {"rollout": 5}, "status": {}}) == {"c" * 12}
