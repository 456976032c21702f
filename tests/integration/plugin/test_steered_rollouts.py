"""``kubectl model rollout`` with an operator that rolls out: watched, approved, paused, halted, undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.waiting import wait_for
from tests.integration.operator.test_rollouts import (
    CANARY,
    deploy_fleet,
    edit,
    settled,
    wait_for_state,
)
from tests.integration.plugin.test_rollouts import running
from tests.integration.plugin.test_waiting import WITHIN, Reader

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi
    from tests.integration.plugin.conftest import Invite, Person

pytestmark = pytest.mark.usefixtures("operator")

APPROVED = {"soak_seconds": 0, "steps": [{**CANARY, "needs_approval": True}]}


def test_an_approved_edit_is_watched_to_its_end(api: KubeApi, viewer: Person, invite: Invite) -> None:
    admin = invite("admin", api)
    before = deploy_fleet(api, APPROVED, "other")
    complete = viewer("rollout", "status", "encoder", "--watch")
    assert (complete.returncode, complete.stderr) == (0, "")

    after = edit(api)
    wait_for_state(api, "AWAITING_APPROVAL", "canary", waiting=1)
    with running(viewer, "rollout", "status", "encoder", "--watch") as process:
        seen = Reader(process, process.stderr)
        seen.wait_for("AwaitingApproval: ")
        waits = viewer("wait", "other")
        assert waits.returncode == 0
        assert waits.stdout.startswith(f"ModelInstance {api.namespace}/other is Ready: RolledOut")
        assert waits.stderr.startswith("The instance keeps its revision until the roll-out of its template")
        explained = viewer("why", "other")
        assert explained.returncode == 0
        assert "\nUpdate   AwaitingRollout: The instance keeps its revision" in explained.stdout
        assert "; not up to date: AwaitingRollout\n" in viewer("status", "other").stdout
        rows = [line.split()[:5] for line in viewer("instances").stdout.splitlines()[1:]]
        assert rows == [
            ["canary", "True", "RolledOut", "encoder", "Latest"],
            ["other", "True", "RolledOut", "encoder", "AwaitingRollout"],
        ]
        assert " AwaitingApproval (canary) " in viewer("templates").stdout
        history = viewer("rollout", "history", "encoder").stdout.splitlines()
        assert [line.split()[:4] for line in history[1:]] == [
            [before, "1", "1", "stable"],
            [after, "2", "1", "latest"],
        ]
        other = admin("rollout", "approve", "encoder", before, "--apply")
        assert other.returncode == 2
        approved = admin("rollout", "approve", "encoder", after, "--apply")
        assert (approved.returncode, approved.stderr) == (0, "")
        assert process.wait(WITHIN * 4) == 0
    assert settled(api, 2) == after


def test_a_halted_edit_is_found_and_undone(api: KubeApi, viewer: Person, invite: Invite) -> None:
    admin = invite("admin", api)
    before = deploy_fleet(api, APPROVED, "other")
    assert admin("rollout", "pause", "encoder", "--apply").returncode == 0
    broken = edit(api, "crash-loop")
    wait_for_state(api, "PAUSED", waiting=2)
    paused = viewer("rollout", "status", "encoder")
    assert (paused.returncode, paused.stderr) == (3, "")
    assert f"Latest   {broken}, " in paused.stdout
    assert f"Stable   {before}\n" in paused.stdout
    assert "State    PAUSED in step canary (1 of 3)\n" in paused.stdout

    assert admin("rollout", "resume", "encoder", "--apply").returncode == 0
    halted = viewer("rollout", "status", "encoder", "--watch")

    assert halted.returncode == 1
    assert "State    HALTED in step canary (1 of 3)\n" in halted.stdout
    assert f"\nFailing  {api.namespace}/canary: " in halted.stdout
    wait_for(lambda: "not up to date: RolloutHalted" in viewer("status", "other").stdout)

    refused = viewer("rollout", "undo", "encoder", "--apply")
    assert refused.returncode == 2
    assert "cannot update modeltemplates.modeloperator.dev" in refused.stderr
    undone = admin("rollout", "undo", "encoder", "--apply")
    assert undone.returncode == 0
    assert undone.stdout == f"modeltemplate.modeloperator.dev/encoder rolled back to revision {before}\n"
    assert f"at revision {before} (number 1, stable)\n" in undone.stderr
    assert settled(api, 2) == before
    assert viewer("rollout", "status", "encoder").returncode == 0
