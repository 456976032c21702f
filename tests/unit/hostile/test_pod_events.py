"""Events about a failing pod, which any user of its namespace may write, are read and kept in bounds."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from model_operator.controller.reconcile.diagnosis import GRACE_SECONDS, PodDiagnostics
from model_operator.core.diagnosis.deployment_pods import REVISION
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.diagnosis.pod_events import EVENT_REQUESTS, EVENTS_PER_PAGE, kept_event, moment
from model_operator.core.diagnosis.pod_readiness import diagnose_pod
from model_operator.core.values.json_values import json_size
from model_operator.kube.client import ApiClient
from model_operator.kube.paging import PAGE_BYTES
from tests.unit.kube.local_server import connected

OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "uid": "d", "controller": True}
OF_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "rs", "controller": True}
SETS = [
    {
        "metadata": {
            "uid": "rs",
            "namespace": "team",
            "annotations": {REVISION: "1"},
            "ownerReferences": [OWNER],
        }
    }
]
DEPLOYMENT = {
    "metadata": {"name": "demo", "namespace": "team", "uid": "d", "annotations": {REVISION: "1"}},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"instance": "demo"}}},
    "status": {"replicas": 1, "updatedReplicas": 1},
}


def pod(uid: str, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"demo-{uid}",
            "uid": uid,
            "namespace": "team",
            "creationTimestamp": "2026-01-01T08:00:00Z",
            "ownerReferences": [OF_SET],
        },
        "spec": {"nodeName": "n", "containers": [{"name": "model", "image": "x:1"}]},
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "model", "ready": False, **state}],
        },
    }


CREATING = {"state": {"waiting": {"reason": "ContainerCreating"}}}
BACK_OFF = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "ImagePullBackOff"}}}
RUNNING = {"started": True, "state": {"running": {"startedAt": "2026-01-01T08:00:00Z"}}}
STOPPED = {
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 137, "startedAt": "2026-01-01T08:00:00Z"}},
}


@dataclass
class Server:
    """Has one pod that cannot start, and Events about it of one size."""

    events: int
    size: int
    requests: int = 0
    sent: int = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = request.path.rsplit("/", 1)[-1]
        if kind == "replicasets":
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": SETS})
        if kind == "pods":
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [pod("p1", CREATING)]})
        self.requests += 1
        begin, limit = int(request.query.get("continue") or 0), int(request.query["limit"])
        end = min(begin + limit, self.events)
        metadata = {"resourceVersion": "1", "continue": str(end) if end < self.events else ""}
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(f'{{"metadata":{json.dumps(metadata)},"items":['.encode())
            for number in range(begin, end):
                event = {
                    "reason": "FailedMount",
                    "message": "m" * self.size,
                    "metadata": {"name": f"e{number}"},
                }
                text = json.dumps(event) + ("," if number < end - 1 else "")
                await response.write(text.encode())
                self.sent += len(text)
            await response.write(b"]}")
        return response


@contextlib.asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[ApiClient]:
    async with connected(server.answer) as (connection, _):
        yield ApiClient(connection)


@pytest.mark.parametrize(
    ("events", "size"), [(3, 100), (5_000, 100), (200, 1_400_000)], ids=["few", "many", "large"]
)
async def test_a_pod_s_events_are_read_in_bounds(events: int, size: int) -> None:
    server, now = Server(events, size), [100.0]
    async with client_of(server) as client:
        diagnostics = PodDiagnostics(client, lambda: now[0])
        await diagnostics.find(("team", "demo"), [DEPLOYMENT], "Deploying")
        now[0] += GRACE_SECONDS
        causes, _ = await diagnostics.find(("team", "demo"), [DEPLOYMENT], "Deploying")

    assert causes["demo"].reason.name == "VolumeNotReady", "what was read is used"
    assert server.requests <= EVENT_REQUESTS
    assert server.requests == EVENT_REQUESTS or events <= EVENTS_PER_PAGE
    # What the server has sent before it noticed that a connection was closed, included.
    assert server.sent <= EVENT_REQUESTS * 3 * PAGE_BYTES


TIMES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:01Z",
            "2026-01-01T08:00:00Z",
            "2026-01-01T08:00:00.000001Z",
            "9999-12-31T23:59:59Z",
            "10000-01-01T09:59:59Z",
        ]
    ),
)
EVENTS = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({}, optional={"creationTimestamp": TIMES})},
    optional={
        "reason": st.sampled_from(
            [
                "Failed",
                "Killing",
                "Unhealthy",
                "FailedMount",
                "FailedAttachVolume",
                "FailedCreatePodSandBox",
                "FailedResourceClaimCreation",
                "FailedScheduling",
                "",
            ]
        ),
        "message": st.one_of(
            st.text(),
            st.just("Readiness probe failed: " * 100_000),
            st.just("Readiness probe failed: HTTP probe failed with statuscode: " + "9" * 5_000),
        ),
        "involvedObject": st.one_of(
            st.none(),
            st.fixed_dictionaries({}, optional={"fieldPath": st.just("spec.containers{model}")}),
        ),
        "series": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"lastObservedTime": TIMES})),
        "lastTimestamp": TIMES,
        "eventTime": TIMES,
    },
)


@given(st.lists(EVENTS, max_size=4), st.sampled_from([CREATING, BACK_OFF, RUNNING, STOPPED]))
def test_property_of_any_event(events: list[dict[str, Any]], state: dict[str, Any]) -> None:
    kept = [kept_event(event) for event in events]

    assert all(json_size(each) <= 16_384 for each in kept)
    now = datetime.datetime(2026, 1, 1, 9, tzinfo=datetime.UTC)
    for read in (kept, events):
        diagnose_pod(pod("p1", state), Evidence(now, {"p1": read}))
        waiting = pod("p1", {})
        waiting |= {"status": {}, "spec": {"containers": []}}
        diagnose_pod(waiting, Evidence(now, {"p1": read}))


def test_a_time_that_no_calendar_has_is_no_error() -> None:
    for time in ("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert moment(time) == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
