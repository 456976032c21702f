"""A create that the client sends again makes one model; a conflict is sent once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import scale_gp
from scale_gp import SGPClient

from tests.cluster.gateway.callers import person_token
from tests.fixtures.rest import client_of, model_of, send, shown

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi
    from tests.fixtures.rest import Wire

pytestmark = pytest.mark.usefixtures("text_template")
MODELS = "/v4/models"


class LosesAnswers(httpx.HTTPTransport):
    """A network that loses the first answers: the request has arrived, the client never hears of it."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.retry_counts: list[str] = []
        self._count = count

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, and fail as a timeout does."""
        self.retry_counts.append(request.headers["x-stainless-retry-count"])
        response = super().handle_request(request)
        response.read()
        if len(self.retry_counts) <= self._count:
            raise httpx.ReadTimeout("lost", request=request)
        return response


def test_an_answer_that_is_lost_makes_no_second_model(
    gateway: GatewayProcess, author: str, api: KubeApi
) -> None:
    network = LosesAnswers(2)
    with (
        httpx.Client(transport=network) as session,
        SGPClient(
            base_url=gateway.url, api_key=author, http_client=session, _strict_response_validation=True
        ) as client,
    ):
        model = client.models.create(**model_of(api.namespace))

    assert network.retry_counts == ["0", "1", "2"]
    (obj,) = api.list("ModelInstance")
    assert obj["metadata"]["uid"] == model.id


def test_many_at_once_make_one(gateway: GatewayProcess, author: str, api: KubeApi) -> None:
    def create(_: int) -> httpx.Response:
        return send(gateway, author, "POST", MODELS, model_of(api.namespace))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))

    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["id"] for each in answers}) == len(api.list("ModelInstance")) == 1


def test_the_same_key_of_idempotency_is_the_same_request(
    gateway: GatewayProcess, author: str, api: KubeApi
) -> None:
    first = send(gateway, author, "POST", MODELS, model_of(api.namespace), Idempotency_Key="abc")
    again = send(gateway, author, "POST", MODELS, model_of(api.namespace), Idempotency_Key="abc")
    other = send(
        gateway, author, "POST", MODELS, model_of(api.namespace, description="x"), Idempotency_Key="abc"
    )

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert again.json() == first.json()


@pytest.mark.parametrize(
    "changed",
    [
        {"description": "another"},
        {"model_creation_parameters": {"WEIGHTS": "second"}},
        {"name": "WRITER"},
        {"display_name": "x"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_another_model_of_the_name_is_a_conflict_that_is_sent_once(
    platform: SGPClient, api: KubeApi, wire: Wire, changed: dict[str, Any]
) -> None:
    model = platform.models.create(**model_of(api.namespace))
    wire.clear()

    with pytest.raises(scale_gp.ConflictError) as caught:
        platform.models.create(**model_of(api.namespace) | changed)

    (response,) = wire.take()
    assert response.headers["x-should-retry"] == "false"
    assert isinstance(caught.value.body, dict)
    assert "writer" in caught.value.body["detail"]
    assert shown(platform.models.retrieve(model.id)) == shown(model)


def test_another_caller_s_is_a_conflict(
    gateway: GatewayProcess, platform: SGPClient, api: KubeApi, wire: Wire
) -> None:
    platform.models.create(**model_of(api.namespace))
    wire.clear()
    with client_of(gateway, person_token(api, name="other"), wire=wire) as other:
        with pytest.raises(scale_gp.ConflictError):
            other.models.create(**model_of(api.namespace))
        assert len(wire.take()) == 1


def test_after_a_change_it_is_no_repeat(platform: SGPClient, api: KubeApi, wire: Wire) -> None:
    model = platform.models.create(**model_of(api.namespace))
    platform.models.update(model.id, description="changed")

    with pytest.raises(scale_gp.ConflictError):
        platform.models.create(**model_of(api.namespace))


def test_what_the_api_server_defaults_is_no_change(
    gateway: GatewayProcess, platform: SGPClient, api: KubeApi, operator: None
) -> None:
    model = platform.models.create(**model_of(api.namespace, model_creation_parameters={"WEIGHTS": "1"}))
    api.wait_for_condition("ModelInstance", "writer", "Ready")

    again = platform.models.create(**model_of(api.namespace, model_creation_parameters={"WEIGHTS": "1"}))

    assert again.id == model.id


def test_a_model_of_kubectl_is_a_conflict(platform: SGPClient, api: KubeApi, wire: Wire) -> None:
    spec = {"model_template_id": "text", "model_type": "COMPLETION"}
    api.create(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "writer"},
            "spec": spec | {"model_creation_parameters": {"WEIGHTS": "first"}},
        }
    )
    with pytest.raises(scale_gp.ConflictError):
        platform.models.create(**model_of(api.namespace))

    assert len(wire.take()) == 1
