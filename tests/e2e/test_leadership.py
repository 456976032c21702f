"""The leader is killed while a model serves: the model notices nothing, and the other replica takes over."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.cluster.embedding import TEMPLATE
from tests.cluster.waiting import wait_for
from tests.e2e.conftest import SERVING
from tests.e2e.installation import DEPLOYMENT, LEASE_SECONDS
from tests.e2e.models import instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.installation import Installation
    from tests.e2e.models import Models

SLACK_SECONDS = 20
"""For the API server, kubectl and a busy machine."""
# No signal from inside kills a container's first process. The kernel does when it has used more of the
# processor than it may, and another process of the same user may say how much that is.
KILL_FIRST_PROCESS = "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))"


def test_the_leader_s_pod_is_deleted_by_force(whole: Installation, models: Models) -> None:
    old = whole.leader()

    def kill() -> None:
        whole.own("delete", "pod", old, "--grace-period=0", "--force")

    assert hand_over(whole, models, kill) not in {"", old}
    assert old not in whole.pod_names()


def test_the_leader_s_container_is_killed(whole: Installation, models: Models) -> None:
    old, restarts = whole.leader(), whole.restarts()

    new = hand_over(whole, models, lambda: print(whole.exec(old, KILL_FIRST_PROCESS, check=False)))

    assert new not in {"", old}
    wait_for(lambda: whole.restarts()[old] == restarts[old] + 1, 60, "the container was started again")
    (status,) = next(pod for pod in whole.pods() if pod["metadata"]["name"] == old)["status"][
        "containerStatuses"
    ]
    assert status["lastState"]["terminated"]["exitCode"] == 128 + 9


def test_the_operator_is_rolled_out_and_refuses_all_the_while(whole: Installation, models: Models) -> None:
    old, pods = whole.pod_names(), models.workers(SERVING)
    wrong = instance("wrong", BATCH_SIZE=99)
    answers = []

    with models.load(SERVING) as load:
        whole.own("rollout", "restart", DEPLOYMENT)
        while old & {pod["metadata"]["name"] for pod in whole.pods()}:
            answers.append(models.refusal(wrong))
        status, output = load.stop()

    assert answers
    assert set(answers) == {answers[0]}
    assert status == 0, output
    assert models.workers(SERVING) == pods
    edit_arrives(models)


def hand_over(operator: Installation, models: Models, kill: Callable[[], None]) -> str:
    """Kill the leader while a client asks the model; give the new leader once its work has arrived."""
    old, holder = operator.leader(), operator.holder()
    with models.load(SERVING) as load:
        kill()
        new, seconds = operator.wait_for_another_leader(old, LEASE_SECONDS + SLACK_SECONDS)
        edit_arrives(models)
        status, output = load.stop()
    print(f"{new} led {seconds:.1f} s after {old} was killed; meanwhile {output}")
    assert status == 0, output
    assert operator.holder() != holder
    return new


def edit_arrives(models: Models) -> None:
    """Change what a model gets, and wait until it has it and serves."""
    generation = models.edit_template(TEMPLATE, LEADER_TEST=secrets.token_hex(4))
    obj = models.wait_until_ready(SERVING, generation)
    assert obj["status"]["deployments"][0]["ready_replicas"] == 1
