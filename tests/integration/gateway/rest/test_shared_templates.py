"""Models of another account's template over REST: by id and by namespace, while it is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import model_of, send, text_template_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi

MODELS = "/v4/models"
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def owner(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client of the namespace of another team."""
    for name in fresh_namespace(cluster_api, "mo-shared"):
        yield cluster_api.in_namespace(name)


def test_a_template_of_another_account_is_used_while_it_is_shared(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, owner: KubeApi
) -> None:
    uid = owner.apply(text_template_object("offered"))["metadata"]["uid"]
    named = f"{owner.namespace}/offered"

    def created(template_id: str) -> tuple[int, str]:
        body = model_of(api.namespace, "hidden", model_template_id=template_id)
        answer = send(gateway, author, "POST", MODELS, body)
        return answer.status_code, answer.text.replace(template_id, "NAME")

    # Not shared and absent are answered alike, by id as by name.
    assert created(uid) == created(ABSENT)
    assert created(named) == created(f"{owner.namespace}/absent")
    assert created(uid)[0] == 422

    labels = {"matchLabels": {"models": "shared"}}
    api.patch("Namespace", api.namespace, {"metadata": {"labels": {"models": "shared"}}})
    grant = {"from": "Selected", "selector": labels}
    owner.patch("ModelTemplate", "offered", {"spec": {"allowed_namespaces": grant}})
    wait_for(lambda: created(uid)[0] == 200, message="the gateway knows that it is shared")
    model = platform.models.create(**model_of(api.namespace, "by-name", model_template_id=named))
    assert model.model_template_id == named
    for name in ("hidden", "by-name"):
        spec = api.get("ModelInstance", name)["spec"]
        assert spec["model_template_namespace"] == owner.namespace
        assert spec["model_template_kind"] == "ModelTemplate"
    # What the client was given is no change.
    assert platform.models.update(model.id, model_template_id=named).model_template_id == named

    owner.patch("ModelTemplate", "offered", {"spec": {"allowed_namespaces": None}})
    wait_for(
        lambda: (
            send(
                gateway, author, "POST", MODELS, model_of(api.namespace, "late", model_template_id=uid)
            ).status_code
            == 422
        ),
        message="the gateway knows that it is withdrawn",
    )
    assert platform.models.retrieve(model.id).model_template_id == named
    manifest = send(gateway, author, "GET", f"{MODELS}/{model.id}?view=manifest").text
    assert f"  model_template_namespace: {owner.namespace}\n" in manifest
