"""How the workers of a deployment are called: those that run, whatever is being rolled out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import DeploymentState
from model_operator.core.objects.rollout import Rollout, RolloutState
from model_operator.core.status.assessment import DeploymentAssessment, Observation


def serving_entry(observation: Observation, each: DeploymentAssessment) -> Mapping[str, Any] | None:
    """Return ``status.deployments[].serving`` of one Deployment; None if it cannot be called.

    While workers of an earlier revision are left, what was reported for them stays. The first revision is
    reported at once: its first worker may serve before the last one does.

    Parameters
    ----------
    observation
        What was seen and decided.
    each
        The assessment of the Deployment.
    """
    plan, live = observation.plan, observation.deployments.get(each.name)
    if not each.is_desired:
        # It may be wanted again, or serve until its replacement does.
        is_left = plan is not None and live is not None and not live["metadata"].get("deletionTimestamp")
        return _reported(observation, each.name) if is_left else None
    if each.verdict.state is not DeploymentState.READY and _has_others(each.rollout, each.pod_revision):
        return _reported(observation, each.name)
    rendering = plan.rendering if plan else None
    desired = (
        next((one for one in rendering.deployments if one.name == each.name), None) if rendering else None
    )
    return desired.serving if desired is not None else None


def _has_others(rollout: Rollout | None, applied: str | None) -> bool:
    """Return whether there may be workers of a revision that is not the desired one."""
    if rollout is None:
        return False
    if applied is None or rollout.state is RolloutState.PENDING:
        # The counts are those of what was applied before.
        return rollout.replicas > 0
    return rollout.replicas > rollout.updated


def _reported(observation: Observation, name: str) -> Mapping[str, Any] | None:
    entries = observation.instance.status.get("deployments") or ()
    serving = next((entry.get("serving") for entry in entries if entry.get("name") == name), None)
    return serving if isinstance(serving, Mapping) else None
