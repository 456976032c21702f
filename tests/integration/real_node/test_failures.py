"""Every failure of the catalogue on a real node is told by the instance, and goes when it is mended."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.failures.catalog import FAILURES, INSTANCE, Failure, shell
from tests.failures.live import bring_about

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.kube_api import Object

DEADLINE = 150.0
"""All of them start at once, on one node."""
SERVES = shell("mkdir /www && touch /www/readyz && httpd -f -p 5005 -h /www")
MENDED = ("image-missing", "crash", "out-of-memory", "unschedulable-cpu", "secret-volume-missing")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("node_operator")
def test_every_failure_is_told_and_stays_told_until_it_is_mended(real_node_api: KubeApi) -> None:
    with ExitStack() as stack:
        places: dict[str, KubeApi] = {}
        for name in FAILURES:
            namespace = stack.enter_context(contextmanager(fresh_namespace)(real_node_api, "mo-fails"))
            places[name] = real_node_api.in_namespace(namespace)
        for name, failure in FAILURES.items():
            bring_about(failure, places[name])
        start = {name: api.get("ModelInstance", INSTANCE) for name, api in places.items()}

        wait_for(lambda: _all_are_told(places), DEADLINE, "every failure is told")

        for name, api in places.items():
            since = start[name]["metadata"]["resourceVersion"]
            versions = [start[name], *api.versions("ModelInstance", INSTANCE, since)]
            told = [reason for reason, _ in map(_told, versions) if reason]
            first = told.index(FAILURES[name].reason)
            # On a node with so much to do, the deadline may pass before the pod can say anything.
            before = {"Deploying", *(["ProgressDeadlineExceeded"] if FAILURES[name].stalls else [])}
            assert set(told[:first]) <= before, f"{name}: {told}"
            assert set(told[first:]) == {FAILURES[name].reason}, f"{name}: {told}"
            assert _changing(api) & set(re.split(r"[\s\"/:()=_]", str(versions[-1]["status"]))) == set(), name
        for name in MENDED:
            places[name].apply(Failure("RolledOut", lambda _: True, bundle=SERVES).template())
        for name in MENDED:
            places[name].wait_for_condition(
                "ModelInstance", INSTANCE, "Ready", reason="RolledOut", deadline=60
            )


def _all_are_told(places: Mapping[str, KubeApi]) -> bool:
    """Tell whether each instance has the reason of its failure, and is stalled if it is to be."""
    wrong = {}
    for name, api in places.items():
        wanted, found = (
            (FAILURES[name].reason, FAILURES[name].stalls),
            _told(api.get("ModelInstance", INSTANCE)),
        )
        if found != wanted:
            wrong[name] = f"{found}, not {wanted}"
    assert wrong == {}
    return True


def _told(obj: Object) -> tuple[str, bool]:
    """Give the reason of Ready, and whether the instance is stalled."""
    conditions = {each["type"]: each for each in obj.get("status", {}).get("conditions", [])}
    return conditions.get("Ready", {}).get("reason", ""), "Stalled" in conditions


def _changing(api: KubeApi) -> set[str]:
    """Give what is another one for each pod."""
    pods = api.list("Pod")
    names = {pod["metadata"][key] for pod in pods for key in ("name", "uid")}
    return names | {pod["status"]["podIP"] for pod in pods if "podIP" in pod["status"]}
