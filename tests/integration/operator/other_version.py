"""An operator of another version, which renders Deployments and their pods in another way."""

from __future__ import annotations

from typing import Any

from model_operator.cli.main import main
from model_operator.core.rendering import deployment_job as rendering
from model_operator.core.rendering.deployment import render_deployment as as_now

HISTORY = 7


def render_deployment(**parts: Any) -> dict[str, Any]:
    """Render as the present version does, and change two things."""
    deployment = as_now(**parts)
    deployment["spec"]["revisionHistoryLimit"] = HISTORY
    pod = deployment["spec"]["template"]
    deployment["spec"]["template"] = {**pod, "spec": {**pod["spec"], "terminationGracePeriodSeconds": 77}}
    return deployment


if __name__ == "__main__":
    if vars(rendering).get("render_deployment") is not as_now:
        raise SystemExit("what renders Deployments is elsewhere now")
    vars(rendering)["render_deployment"] = render_deployment
    main()
