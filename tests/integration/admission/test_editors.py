"""Somebody with no more than the role `edit` writes instances past the webhooks and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from model_operator.core.objects.kept_form import CREATED_BY_USER
from tests.cluster.cluster import MANIFESTS
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance

if TYPE_CHECKING:
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission

EDITOR = "editor"


def test_editor(admission: Admission, kubectl: Kubectl) -> None:
    api = admission.api
    kubectl("apply", "--server-side", "--force-conflicts", "-f", MANIFESTS / "people.yaml")
    group = "rbac.authorization.k8s.io"
    api.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": EDITOR},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": EDITOR}],
        }
    )
    me = ("--namespace", api.namespace, "--as", EDITOR)
    may = ("auth", "can-i", "create", "modelinstances.modeloperator.dev")
    wait_for(lambda: kubectl(*me, *may, check=False).returncode == 0, message="the role is aggregated")

    given = instance("by-editor", model_creation_parameters={"MODEL_NAME": "all-minilm"})
    kubectl(*me, "apply", "-f", "-", input=yaml.safe_dump(given))

    annotations = api.get("ModelInstance", "by-editor")["metadata"]["annotations"]
    assert annotations[CREATED_BY_USER] == EDITOR
    wrong = instance("wrong", model_creation_parameters={"MODEL_NAME": 7})
    refused = kubectl(*me, "apply", "-f", "-", input=yaml.safe_dump(wrong), check=False)
    assert "MODEL_NAME: must be a string, got an integer" in refused.stderr
