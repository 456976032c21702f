"""An object as deep as the API server takes, and the Python of the image: the operator starts and works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.waiting import wait_for
from tests.e2e.installation import DEPLOYMENT
from tests.e2e.test_leadership import edit_arrives
from tests.fixtures.raw_instances import DEEP, create_raw

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.e2e.installation import Installation
    from tests.e2e.models import Models

NAME = "deep"
NOTES = f'"deployments":[{{"name":"x","deployment_metadata":{DEEP}}}]'


def test_an_operator_that_finds_a_deep_object_serves_all_others(
    whole: Installation, models: Models, cluster: Cluster, tmp_path: Path
) -> None:
    namespace = models.api.namespace
    assert namespace is not None
    replicas = len(whole.pods())
    # Only while no operator answers, its webhooks let such an object in.
    whole.own("scale", DEPLOYMENT, "--replicas=0")
    wait_for(lambda: not whole.pods(), 90, "no operator runs")
    create_raw(cluster.kubectl, namespace, NAME, NOTES, tmp_path / "deep.json")
    whole.own("scale", DEPLOYMENT, f"--replicas={replicas}")
    whole.wait_until_whole()

    where = ("modelinstance", NAME, "--namespace", namespace)
    types = ("--output", "jsonpath={.status.validation_errors[*].type}")
    wait_for(
        lambda: cluster.kubectl("get", *where, *types).stdout == "too_deep",
        60,
        "the status says that it is too deep",
    )
    # It is listed at the start, and watched: written again, it ends nobody either.
    cluster.kubectl("label", *where, "again=1")
    edit_arrives(models)
    assert set(whole.restarts().values()) == {0}

    cluster.kubectl("delete", *where)
