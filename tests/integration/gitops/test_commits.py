"""A commit that changes a template together with its instances never fails a health check early."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template
from tests.gitops.flux import Flux
from tests.gitops.kstatus import KStatus, compute
from tests.integration.gitops.commits import commits

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.fixtures.cluster import PrivateOperator

GRACE, LATEST = 10.0, 15.0
"""Seconds after which a mistake fails: no earlier, and no later."""
DEFAULT = {"MODEL_OPERATOR_STALLED_AFTER_SECONDS": f"{GRACE:g}"}
"""The setting where nobody sets another one."""
ROUNDS = int(os.environ.get("MODEL_OPERATOR_COMMITS", "30"))


def _account(cluster: Cluster, api: KubeApi) -> KubeApi:
    """Return a client as a service account of a tenant whose Kustomization writes to the namespace."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "flux"}}
    rules = [
        {"apiGroups": ["modeloperator.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["*"]},
    ]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "flux"}
    subject = {"kind": "ServiceAccount", "name": "flux", "namespace": api.namespace}
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "flux"}})
    api.create({**rbac, "kind": "Role", "rules": rules})
    api.create({**rbac, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})
    return KubeApi(cluster.service_account_kubeconfig(api.namespace, "flux"), api.namespace)


PORTS = {"ports": [{"port": 80}]}
WRONG = {
    "parameters": instance("parameters", model_creation_parameters={"MODEL_NAME": 7}),
    "type": instance("type", model_type="RERANKING"),
    "homeless": instance("homeless", model_template_id="none"),
    "untemplated": instance("untemplated", model_template_id="broken"),
    "taken": instance("taken"),
}
"""Instances by name, each with another problem that another object may resolve."""


def test_what_stays_wrong_fails_within_fifteen_seconds_and_a_restart_changes_nothing(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator(environment=DEFAULT)
    private_api.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken"}, "spec": PORTS})
    since = private_api.apply(template("broken", image="$(parameters.NONE)"))["metadata"]["resourceVersion"]
    private_api.apply(template())
    flux = Flux(private_api)

    applied = time.monotonic()
    flux.apply(WRONG.values())
    assert flux.fails_early() != ""
    assert time.monotonic() - applied >= GRACE
    wait_for(lambda: set(flux.statuses().values()) == {KStatus.FAILED}, message="all of them fail")
    assert time.monotonic() - applied < LATEST
    stalled = {name: private_api.condition("ModelInstance", name, "Stalled") for name in WRONG}
    operator.stop()
    for event in private_api.list("Event.events.k8s.io"):
        if event["type"] == "Warning" and event["regarding"]["name"] in stalled:
            assert event["eventTime"] >= stalled[event["regarding"]["name"]]["lastTransitionTime"][:-1]

    private_operator(environment=DEFAULT)
    private_api.apply(instance("witness", replicas=0))
    private_api.wait_for_condition("ModelInstance", "witness", "Ready")
    for name in WRONG:
        told = [compute(each)[0] for each in private_api.versions("ModelInstance", name, since)]
        assert told[-1] == KStatus.FAILED
        assert set(told[:-1]) == {KStatus.IN_PROGRESS}, name


def test_no_commit_fails_early(
    cluster: Cluster, private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    private_operator(environment=DEFAULT)
    flux = Flux(_account(cluster, private_api))
    failed = []

    for number, commit in enumerate(commits(ROUNDS)):
        flux.apply(commit)
        failed += [f"commit {number}: {told}" for told in [flux.fails_early()] if told]

    assert failed == [], f"{len(failed)} of {ROUNDS} commits failed early"
