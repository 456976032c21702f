"""When pods are looked at, and what is asked for then; time is the test's."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from model_operator.controller.reconcile import diagnosis
from model_operator.controller.reconcile.diagnosis import GRACE_SECONDS, PodDiagnostics
from model_operator.core.diagnosis.deployment_pods import REVISION, group_pods
from model_operator.core.reasons.reasons import Reason
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import error_for
from model_operator.kube.resources import ResourceKind

DEMO = ("team", "demo")
CRASHED = {
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
}
UNPULLED = {"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
CREATING = {"state": {"waiting": {"reason": "ContainerCreating"}}}

Objects = list[dict[str, Any]]
Looks = list[float]


class Cluster:
    """A server with the pods of one Deployment, a clock, and what was asked when."""

    def __init__(self) -> None:
        self.now = 100.0
        self.generation = 1
        self.ready = 0
        self.homeless = False
        self.model: dict[str, Any] = CREATING
        self.refusals: dict[str, tuple[int, dict[str, Any]]] = {}
        self.asked: list[tuple[float, str, str]] = []
        self.finder = PodDiagnostics(cast("ApiClient", self), lambda: self.now)

    def deployment(self, uid: str = "d") -> dict[str, Any]:
        metadata = {"name": "demo", "namespace": "team", "uid": uid, "generation": self.generation}
        return {
            "metadata": {**metadata, "annotations": {REVISION: "1"}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"instance": "demo", "deployment": "demo"}}},
            "status": {"replicas": 1, "updatedReplicas": 1, "readyReplicas": self.ready},
        }

    async def list(
        self,
        kind: ResourceKind,
        namespace: str,
        *,
        metadata_only: bool = False,
        labels: str = "",
        fields: str = "",
        **_: int,
    ) -> AsyncIterator[dict[str, Any]]:
        self.asked.append((self.now, kind.kind, labels or fields))
        assert namespace == "team"
        assert metadata_only is (kind.kind == "ReplicaSet")
        if kind.kind in self.refusals:
            raise error_for(*self.refusals[kind.kind], f"list {kind}")
        for item in self.items()[kind.kind]:
            yield item

    def items(self) -> Mapping[str, Objects]:
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "uid": "d", "controller": True}
        of_set = {"namespace": "team", "uid": "rs", "annotations": {REVISION: "1"}}
        sets = {"metadata": {**of_set, "ownerReferences": [owner]}}
        pod = {
            "metadata": {
                "name": "demo-rs-x",
                "uid": "p1",
                "creationTimestamp": "2026-01-01T08:00:00Z",
                "namespace": "team",
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "rs", "controller": True}
                ],
            },
            "spec": {"nodeName": "n", "containers": [{"name": "model", "image": "x:1"}]},
            "status": {
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [{"name": "model", "ready": False, **self.model}],
            },
        }
        mount = {
            "reason": "FailedMount",
            "message": 'MountVolume.SetUp failed for volume "w" : secret "s" not found',
            "lastTimestamp": "2026-01-01T08:00:00Z",
        }
        if self.homeless:
            pod["spec"] = {"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}]}
            said = {"reason": "Unschedulable", "message": "pod has unbound immediate PersistentVolumeClaims"}
            pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", **said}]}
            mount = {
                "reason": "FailedBinding",
                "message": "no class",
                "lastTimestamp": "2026-01-01T08:00:00Z",
            }
        claim = {"metadata": {"name": "weights"}, "spec": {}, "status": {"phase": "Pending"}}
        return {"ReplicaSet": [sets], "Pod": [pod], "Event": [mount], "PersistentVolumeClaim": [claim]}

    def find(self, told: str = "Deploying", *, uid: str = "d") -> tuple[str | None, float | None]:
        """Look at the instance; return the reason and the seconds until the next look."""
        causes, delay = asyncio.run(self.finder.find(DEMO, [self.deployment(uid)], told))
        return (causes["demo"].reason.name if causes else None), delay

    def looks(self) -> Looks:
        """Return when pods were listed."""
        return [time for time, kind, _ in self.asked if kind == "Pod"]

    def pass_time(self, seconds: float, each: Callable[[], object] = lambda: None) -> None:
        """Look whenever it is due, as the work queue does, for so long."""
        end = self.now + seconds
        while True:
            _, delay = self.find()
            assert delay is not None
            assert delay > 0
            if self.now + delay > end:
                self.now = end
                return
            self.now += delay
            each()


def test_pods_are_looked_at_after_five_seconds_without_progress() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED

    assert cluster.find() == (None, GRACE_SECONDS)
    cluster.now += 4.9
    assert cluster.find()[0] is None
    assert cluster.asked == []
    cluster.now += 0.1
    reason, delay = cluster.find()

    assert (reason, delay) == ("ImagePullFailed", 2)
    assert cluster.asked == [
        (105, "ReplicaSet", "instance=demo,deployment=demo"),
        (105, "Pod", "instance=demo,deployment=demo"),
    ]


def test_progress_starts_the_wait_anew() -> None:
    cluster = Cluster()
    cluster.find()
    cluster.now += 4
    cluster.ready = 1

    assert cluster.find() == (None, GRACE_SECONDS)
    assert cluster.looks() == []


def test_looks_become_rarer() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.pass_time(600)

    looks = cluster.looks()
    pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert pauses[:4] == [2, 3, 4.5, 6.75]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30
    assert len(looks) < 30


def test_what_breaks_later_is_found_within_half_the_time_that_it_took() -> None:
    for seconds in (6, 12, 25, 50):
        cluster = Cluster()
        start = cluster.now
        found: Looks = []

        def step(cluster: Cluster = cluster, start: float = start, after: int = seconds) -> None:
            if cluster.now - start >= after:
                cluster.model = UNPULLED

        def until(cluster: Cluster = cluster, found: Looks = found) -> None:
            step(cluster)
            if cluster.find()[0]:
                found.append(cluster.now)

        cluster.pass_time(100, until)
        assert found[0] - start <= seconds * 1.5 + 2


def test_with_a_cause_each_change_of_the_deployment_is_looked_at_once() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.pass_time(60)
    looks = len(cluster.looks())

    cluster.ready = 1
    cluster.model = CRASHED
    assert cluster.find() == ("CrashLooping", 2)
    assert cluster.find()[0] == "CrashLooping"
    assert len(cluster.looks()) == looks + 1


def test_a_roll_out_that_gets_on_quickly_is_not_looked_at_each_time() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.pass_time(60)
    before = len(cluster.looks())
    for _ in range(100):
        cluster.ready += 1
        cluster.now += 0.1
        assert cluster.find()[0] == "ImagePullFailed"

    assert 4 <= len(cluster.looks()) - before <= 6


def test_an_operator_that_starts_anew_does_not_take_back_what_was_told() -> None:
    for told in ("ImagePullFailed", "ProgressDeadlineExceeded"):
        cluster = Cluster()
        cluster.model = UNPULLED

        assert cluster.find(told) == ("ImagePullFailed", 2)


def test_a_deployment_of_the_same_name_is_another_one() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.pass_time(60)

    assert cluster.find(uid="other") == (None, GRACE_SECONDS)


def test_what_gets_on_is_forgotten() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.pass_time(60)

    assert asyncio.run(cluster.finder.find(DEMO, [], "ImagePullFailed")) == ({}, None)
    assert cluster.find() == (None, GRACE_SECONDS)
    cluster.finder.forget(DEMO)
    cluster.finder.forget(DEMO)


def test_events_are_read_only_where_the_status_does_not_tell() -> None:
    cluster = Cluster()
    cluster.pass_time(GRACE_SECONDS)
    assert cluster.find()[0] == "VolumeNotReady"
    assert cluster.asked[2:] == [(105, "Event", "involvedObject.kind=Pod,involvedObject.uid=p1")]

    cluster.asked.clear()
    cluster.model = UNPULLED
    cluster.now += 10
    assert cluster.find()[0] == "ImagePullFailed"
    assert [kind for _, kind, _ in cluster.asked] == ["ReplicaSet", "Pod"]


def test_claims_are_read_of_pods_without_a_node() -> None:
    cluster = Cluster()
    cluster.homeless = True
    cluster.find()
    cluster.now += GRACE_SECONDS + 1

    causes, _ = asyncio.run(cluster.finder.find(DEMO, [cluster.deployment()], "Deploying"))

    assert causes["demo"].detail.startswith('PersistentVolumeClaim "weights" (no StorageClass) is not bound')
    fields = [field for _, kind, field in cluster.asked if kind in ("PersistentVolumeClaim", "Event")]
    assert fields == [
        "metadata.name=weights",
        "involvedObject.kind=PersistentVolumeClaim,involvedObject.name=weights",
    ]


def test_without_the_right_to_claims_the_scheduler_s_message_is_told() -> None:
    cluster = Cluster()
    cluster.homeless = True
    cluster.refusals["PersistentVolumeClaim"] = (403, {"message": "no"})
    cluster.find()
    cluster.now += GRACE_SECONDS + 1

    causes, _ = asyncio.run(cluster.finder.find(DEMO, [cluster.deployment()], "Deploying"))

    assert causes["demo"].detail == (
        "a volume is not available: pod has unbound immediate PersistentVolumeClaims."
    )


def test_without_the_right_to_pods_it_is_said_once_and_nothing_is_told() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.refusals["Pod"] = (403, {"message": "pods is forbidden"})
    with capture_logs() as logs:
        cluster.pass_time(300)
        assert cluster.find()[0] is None

    assert [entry["missing"] for entry in logs] == ["list pods"]
    cluster.refusals.clear()
    cluster.now += 30
    assert cluster.find()[0] == "ImagePullFailed"


def test_without_the_right_to_events_the_status_is_told_all_the_same() -> None:
    cluster = Cluster()
    cluster.refusals["Event"] = (403, {"message": "events is forbidden"})
    with capture_logs() as logs:
        cluster.pass_time(60)
        assert cluster.find()[0] is None
        cluster.model = CRASHED
        cluster.now += 30
        assert cluster.find()[0] == "CrashLooping"

    assert [entry["missing"] for entry in logs] == ["list events"]


def test_a_server_that_does_not_answer_changes_nothing() -> None:
    cluster = Cluster()
    cluster.model = UNPULLED
    cluster.pass_time(60)
    cluster.refusals["Pod"] = (503, {})
    cluster.now += 30
    with capture_logs():
        assert cluster.find()[0] == "ImagePullFailed"


def test_a_deployment_with_another_selector_than_ours_is_not_looked_into() -> None:
    cluster = Cluster()
    selectors: list[dict[str, Any]] = [
        {},
        {"matchExpressions": []},
        {"matchLabels": {}, "matchExpressions": []},
    ]
    for number, selector in enumerate(selectors):
        live = cluster.deployment(f"d{number}")
        live["spec"]["selector"] = selector
        causes, _ = asyncio.run(cluster.finder.find(DEMO, [live], Reason.CrashLooping.name))
        assert causes == {}
    assert cluster.asked == []


def test_of_pods_that_only_have_the_labels_none_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    items = cluster.items()
    own = items["Pod"][0]
    foreign = [
        {**own, "metadata": {**own["metadata"], "ownerReferences": owners}}
        for owners in (
            [],
            [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "other", "controller": True}],
            [{"apiVersion": "example.com/v1", "kind": "ReplicaSet", "uid": "rs", "controller": True}],
        )
    ]
    monkeypatch.setattr(cluster, "items", lambda: {**items, "Pod": [*foreign, own]})
    held: list[Any] = []

    def grouped(live: Any, sets: Any, pods: Any) -> Any:
        held.extend(pods)
        return group_pods(live, sets, pods)

    monkeypatch.setattr(diagnosis, "group_pods", grouped)
    cluster.find(Reason.CrashLooping.name)
    assert held == [own]
