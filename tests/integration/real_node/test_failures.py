"""Every failure of the catalogue on a real node is told by the instance, and goes when it is mended."""

from __future__ import annotations

import re
from collections import defaultdict
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
        history = _History(real_node_api.in_namespace(""))
        for name, failure in FAILURES.items():
            bring_about(failure, places[name])

        wait_for(lambda: _all_are_told(places, history), DEADLINE, "every failure is told")

        for name, api in places.items():
            versions = history.versions[api.namespace]
            told = [reason for reason, _ in map(_told, versions) if reason]
            reason = FAILURES[name].reason
            first = told.index(reason)
            # On a node with so much to do, the deadline may pass before the pod can say anything, and a
            # container may have been killed before the kubelet says that it was for its probe. Templates
            # and instances are two watches, so that an instance may arrive before its template.
            late = {"CrashLooping"} if reason == "ProbeFailing" else set()
            deadline = {"ProgressDeadlineExceeded"} if FAILURES[name].stalls else set()
            before = {"TemplateNotFound", "Deploying"} | deadline | late
            assert set(told[:first]) <= before, f"{name}: {told}"
            assert set(told[first:]) <= {reason, *late}, f"{name}: {told}"
            assert _changing(api) & set(re.split(r"[\s\"/:()=_]", str(versions[-1]["status"]))) == set(), name
        for name in MENDED:
            places[name].apply(Failure("RolledOut", lambda _: True, bundle=SERVES).template())
        for name in MENDED:
            places[name].wait_for_condition(
                "ModelInstance", INSTANCE, "Ready", reason="RolledOut", deadline=60
            )


class _History:
    """Every version of the cluster's instances since now; the API server remembers little over a minute."""

    def __init__(self, everywhere: KubeApi) -> None:
        self.versions: dict[str, list[Object]] = defaultdict(list)
        self._api = everywhere
        self._since, _ = everywhere.revision("ModelInstance")

    def follow(self) -> None:
        """Take in what has happened up to now, and for two seconds more."""
        for event in self._api.watch("ModelInstance", self._since, seconds=2):
            metadata = event["object"]["metadata"]
            self._since = metadata["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self.versions[metadata["namespace"]].append(event["object"])


def _all_are_told(places: Mapping[str, KubeApi], history: _History) -> bool:
    """Tell whether each instance has the reason of its failure, and is stalled if it is to be."""
    history.follow()
    wrong = {}
    for name, api in places.items():
        wanted = (FAILURES[name].reason, FAILURES[name].stalls)
        found = [_told(version) for version in history.versions[api.namespace][-1:]]
        if found != [wanted]:
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
