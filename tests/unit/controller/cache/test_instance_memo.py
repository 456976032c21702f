"""What is known of the instances of a template: read again only where it changed, and never out of date."""

from __future__ import annotations

import random
from typing import Any

import pytest

from model_operator.api import STABLE, TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.cache.instance_memo import InstanceChanges, InstanceMemo
from model_operator.controller.cache.namespace_labels import Knowledge
from model_operator.controller.reconcile.followers import FollowerReader
from model_operator.core.objects.template_annotation import with_template_revision
from model_operator.kube.object_cache import Object, key_of
from tests.unit.controller.objects import child, hash_of, instance, template


def read_by(memo: InstanceMemo[str], objects: dict[tuple[str, str], Object], basis: object = 1) -> list[str]:
    """Return the names that were read for the template t1."""
    read = list[str]()

    def value(obj: Object) -> str | None:
        read.append(obj["metadata"]["name"])
        return obj.get("value")

    found = memo.values("t1", basis, objects.values, value)
    assert found == {key: obj["value"] for key, obj in objects.items() if "value" in obj}
    return sorted(read)


def test_only_changes_since_the_last_look_are_read() -> None:
    changes, objects = InstanceChanges(), dict[tuple[str, str], Object]()
    memo = InstanceMemo[str](changes, lambda *key: objects.get(key))

    def put(name: str, **value: str) -> None:
        obj = {**instance(name), **value}
        objects[key_of(obj)] = obj
        changes.note(key_of(obj))

    for name in "abc":
        put(name, value="1")
    assert read_by(memo, objects) == ["a", "b", "c"]
    assert read_by(memo, objects) == []
    put("a", value="2")
    put("d", value="1")
    put("a", value="3")
    assert read_by(memo, objects) == ["a", "d"]
    put("b")
    del objects["team", "c"]
    changes.note(("team", "c"))
    assert read_by(memo, objects) == ["b"]
    assert read_by(memo, objects, basis=2) == ["a", "b", "d"]
    memo.forget("t1")
    assert read_by(memo, objects, basis=2) == ["a", "b", "d"]


def test_after_more_changes_than_are_remembered_all_are_read() -> None:
    changes, objects = InstanceChanges(remembered=2), dict[tuple[str, str], Object]()
    memo = InstanceMemo[str](changes, lambda *key: objects.get(key))
    for name in "abc":
        objects["team", name] = {**instance(name), "value": name}
    assert read_by(memo, objects) == ["a", "b", "c"]
    for name in "ab":
        changes.note(("team", name))
    assert read_by(memo, objects) == ["a", "b"]
    for name in "abc":
        changes.note(("team", name))
    assert read_by(memo, objects) == ["a", "b", "c"]


class Cluster:
    """Templates of few names in two namespaces and the cluster, and instances that name or have them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.state = ClusterState()
        self.followers = FollowerReader(self.state)
        self.state.namespaces.knowledge = Knowledge.KNOWN
        self.revisions = [hash_of(template("embed", generation=each)) for each in (1, 2, 3)]

    def change(self) -> None:
        """Change anything."""
        self.chance.choice([self.instance, self.instance, self.deployment, self.template, self.labels])()

    def instance(self) -> None:
        number, namespace = self.chance.randrange(8), self.chance.choice(["team", "other"])
        uid = f"i-{namespace}-{number}-{self.chance.randrange(2)}"
        wanted = self.chance.choice(["embed", "embed", "another", "t-team", "t-"])
        bound = self.chance.choice([None, "t-team", "t-", "t-other"])
        obj = instance(f"m{number}", namespace=namespace, uid=uid, template_id=wanted, bound=bound)
        obj["metadata"]["generation"] = 1
        if self.chance.random() < 0.2:
            obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        if self.chance.random() < 0.3:
            obj["spec"]["model_template_namespace"] = self.chance.choice(["team", "other"])
        if self.chance.random() < 0.3:
            obj["spec"]["model_template_revision"] = self.chance.choice([STABLE, *self.revisions])
        if bound:
            obj["status"]["template"]["revision"] = self.chance.choice(self.revisions)
        self.put(self.state.instances, obj)

    def deployment(self) -> None:
        number, owner = self.chance.randrange(8), None
        if self.chance.random() < 0.7:
            owner = self.state.instances.get("team", f"m{number}")
        obj = child(f"m{number}", owner=owner, label=f"m{number}")
        obj["spec"] = {"replicas": self.chance.randrange(2)}
        obj = with_template_revision(obj, self.chance.choice(self.revisions))
        self.put(self.state.children["Deployment"], obj)

    def template(self) -> None:
        namespace = self.chance.choice(["team", "other", ""])
        obj = template(
            self.chance.choice(["embed", "embed", "another"]),
            namespace=namespace,
            uid=f"t-{namespace}",
            generation=self.chance.randrange(1, 4),
        )
        obj["metadata"]["uid"] += "" if obj["metadata"]["name"] == "embed" else "-another"
        if self.chance.random() < 0.5:
            obj["spec"]["allowed_namespaces"] = self.chance.choice(
                [
                    {"from": "Selected", "names": ["team"]},
                    {"from": "Selected", "names": ["other"]},
                    {"from": "Selected", "selector": {"matchLabels": {"a": "1"}}},
                ]
            )
            # An edit has another generation, as the API server sees to.
            obj["metadata"]["generation"] += 3 * int(obj["metadata"]["resourceVersion"])
        self.put(self.state.templates[TemplateKind(obj["kind"])], obj)

    def labels(self) -> None:
        labels = self.chance.choice([{"a": "1"}, {}, None])
        self.state.namespaces.put(self.chance.choice(["team", "other"]), labels)

    def put(self, cache: Any, obj: Object) -> None:
        if self.chance.random() < 0.2:
            cache.remove(obj)
        else:
            cache.put(obj)

    def seen(self) -> list[Any]:
        """Return all that is read of the instances of the templates."""
        found = list[Any]()
        for cache in self.state.templates.values():
            for obj in cache:
                read, pinned = self.followers.read(obj, self.state.compiled(obj), "", ())
                found.append(
                    (
                        self.state.count_instances(obj),
                        self.state.revisions_in_use(obj),
                        sorted(read, key=lambda each: each.key),
                        pinned,
                    )
                )
        return found

    def forget(self) -> None:
        """Forget what has been read."""
        self.followers = FollowerReader(self.state)
        for memo in (self.state._counted, self.state._used):
            memo._known.clear()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_known_is_what_reading_all_gives(seed: int) -> None:
    cluster = Cluster(random.Random(seed))
    followers = counted = 0
    for _ in range(150):
        for _ in range(cluster.chance.randrange(1, 4)):
            cluster.change()
        known, kept = cluster.seen(), cluster.followers
        cluster.forget()
        assert known == cluster.seen()
        cluster.followers = kept
        counted += sum(each[0].instances for each in known)
        followers += sum(len(each[2]) for each in known)
    assert counted > 50
    assert followers > 50


def test_the_instances_that_name_or_run_a_revision() -> None:
    cluster = Cluster(random.Random(1))
    for _ in range(300):
        cluster.change()
    found = 0
    for cache in cluster.state.templates.values():
        for obj in cache:
            theirs = set(cluster.state.instances_of(obj))
            for revision in (STABLE, *cluster.revisions):
                naming = {key_of(each) for each in cluster.state.naming(obj, revision)}
                every = {
                    key_of(each)
                    for each in cluster.state.instances
                    if each["spec"].get("model_template_revision") == revision
                    or each["status"].get("template", {}).get("revision") == revision
                }
                assert naming == every & theirs
                found += len(naming)
    assert found > 3
