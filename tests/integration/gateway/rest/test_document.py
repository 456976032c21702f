"""``docs/rest-api.md`` as a reader follows it, with a stub in place of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.session import run_walk

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi
    from tests.cluster.kubectl import Kubectl


def test_the_walk(gateway: GatewayProcess, api: KubeApi, kubectl: Kubectl, operator: None) -> None:
    done = run_walk(kubectl, api.namespace, gateway.url, {})

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"created by system:serviceaccount:{api.namespace}:author" in done.stdout
    assert any(line.startswith("deployment ") and line.endswith(" READY") for line in lines), lines
    assert any(line.startswith("execute: stub") for line in lines), lines
    assert "stream: w1 w2 w3 w4 " in lines
    assert "changed: A talker {'MAX_TOKENS': 30}" in lines
    assert "listed: ['Talker 1']" in lines
    assert lines[-1] == "deleted: 1 1"
    assert api.list("ModelInstance") == api.list("ModelTemplate") == []
