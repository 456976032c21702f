"""A roll-out in steps whose operator is killed after each kind of write: every version keeps the rules.

`tests/unit/controller/rollouts` kills it after each single write, in memory.
"""

from __future__ import annotations

import base64
import re
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from tests.chaos.proxy import Proxy
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.examples.objects import edit_bundle, instance, template
from tests.fixtures.cluster import operator_logs
from tests.life.moves import judge_moves, moves, resting_faults
from tests.life.recorder import FLEET_KINDS, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.chaos.faults import Request
    from tests.cluster.kube_api import KubeApi
    from tests.cluster.shared_run import SharedRun

NAMES = ("canary", "m1", "m2", "m3")
ROLLOUT = {
    "max_unavailable": 1,
    "soak_seconds": 0,
    "steps": [{"name": "canary", "labels": {"tier": "canary"}}],
}
KILLS = (
    r"POST .*/modeltemplaterevisions$",
    r"PATCH .*/deployments/canary$",
    r"PATCH .*/modelinstances/m1/status$",
    r"PATCH .*/modeltemplates/encoder/status$",
    r"PATCH .*/deployments/m3$",
)
"""The writes after which the operator is killed, when each comes for the first time."""


@contextmanager
def proxy(kubeconfig: Path, path: Path) -> Iterator[Proxy]:
    """Give a proxy to the API server of a kubeconfig, with a kubeconfig that leads through it at `path`."""
    config: Any = yaml.safe_load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    with Proxy(cluster["server"], ssl.create_default_context(cadata=authority), free_ports(1)[0]) as found:
        config["clusters"][0]["cluster"] = {"server": found.url}
        write_kubeconfig(path, config)
        yield found


def test_an_operator_that_is_killed_after_each_kind_of_write_goes_on_with_the_same_decisions(
    private_api: KubeApi,
    private_namespace: str,
    shared_run: SharedRun,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    api, kubeconfig, log = private_api, tmp_path / "through.kubeconfig", tmp_path / "operator.log"
    log.touch()
    operator_logs(request)[log] = 0
    left = [*KILLS]
    struck: list[OperatorProcess] = []

    with Recorder(api, FLEET_KINDS) as recorder, proxy(shared_run.operator_kubeconfig, kubeconfig) as way:

        def start() -> OperatorProcess:
            # Not waiting until it is ready: it may be killed before.
            return OperatorProcess.launch(kubeconfig, "--namespace", private_namespace, log=log)

        operator = start()
        try:
            _apply_fleet(api)

            def strike(write: Request) -> bool:
                kind = next((each for each in left if re.search(each, f"{write.method} {write.path}")), None)
                if kind is None:
                    return False
                if operator in struck:
                    # It had sent this, too, before it was killed: it has been killed after both.
                    left.remove(kind)
                    return False
                struck.append(operator)
                operator.kill()
                left.remove(kind)
                return True

            def may_start() -> bool:
                return not operator.running

            way.witness = strike
            edit_bundle(api, tag="v2")
            while left or may_start():
                wait_for(lambda: may_start() or not left, message=f"it is killed; left are {left}")
                if may_start():
                    operator = start()
            wait_for(lambda: _is_stable(api), 60, "the roll-out is complete")
        finally:
            if operator.running:
                operator.stop()
        history = recorder.history()

    assert judge_moves(history) == []
    assert [*resting_faults(history)] == []
    assert [name for name, _ in moves(history)] == [*NAMES]
    assert {each["metadata"]["generation"] for each in api.list("Deployment")} == {2}, "each is rolled once"


def _apply_fleet(api: KubeApi) -> None:
    """Apply the template and its instances, and wait until they are Ready."""
    obj = template()
    obj["spec"]["rollout"] = ROLLOUT
    api.apply(obj)
    for name in NAMES:
        member = instance(name)
        member["metadata"]["labels"] = {"tier": name}
        api.apply(member)
    for name in NAMES:
        api.wait_for_condition("ModelInstance", name, "Ready")
    wait_for(lambda: _state(api) == "COMPLETE")


def _state(api: KubeApi) -> str | None:
    rollout = api.get("ModelTemplate", "encoder").get("status", {}).get("rollout") or {}
    state: str | None = rollout.get("state")
    return state


def _is_stable(api: KubeApi) -> bool:
    status = api.get("ModelTemplate", "encoder")["status"]
    rollout = status.get("rollout") or {}
    is_complete = rollout.get("state") == "COMPLETE" and rollout["revision"] == status["latest_revision"]
    return (
        is_complete and status.get("stable_revision") == status["latest_revision"] and rollout["arrived"] == 4
    )
