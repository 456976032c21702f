"""Who may do what over REST is who may do it with kubectl; what others have does not show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import scale_gp
import yaml

from tests.cluster.gateway.callers import bind_role, executor_key, person_token
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import TEXT, client_of, model_of, send, shown, text_template_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scale_gp import SGPClient

    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi

pytestmark = pytest.mark.usefixtures("text_template")
MODELS = "/v4/models"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_the_creator_is_a_user_or_a_service_account(
    gateway: GatewayProcess, cluster: Cluster, platform: SGPClient, api: KubeApi
) -> None:
    static = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"].get("token")
    if not static:
        pytest.skip("needs a token of a user")
    with client_of(gateway, static) as administrator:
        model = administrator.models.create(**model_of(api.namespace))
    assert model.created_by_identity_type == "user"
    assert not model.created_by_user_id.startswith("system:serviceaccount:")

    other = platform.models.create(**model_of(api.namespace, "other"))
    assert other.created_by_identity_type == "service_account"
    assert other.created_by_user_id == f"system:serviceaccount:{api.namespace}:author"
    annotations = api.get("ModelInstance", "other")["metadata"]["annotations"]
    assert other.created_by_user_id in annotations.values()
    # A change by another user changes no creator.
    with client_of(gateway, static) as administrator:
        assert administrator.models.update(other.id, description="x").created_by_user_id == (
            other.created_by_user_id
        )


def test_a_viewer_reads_and_changes_nothing(
    gateway: GatewayProcess, platform: SGPClient, api: KubeApi
) -> None:
    model = platform.models.create(**model_of(api.namespace))
    with client_of(gateway, person_token(api, "view", "viewer")) as viewer:
        assert viewer.models.retrieve(model.id).id == model.id
        assert [each.id for each in viewer.models.list(account_id=api.namespace)] == [model.id]
        with pytest.raises(scale_gp.PermissionDeniedError) as caught:
            viewer.models.create(**model_of(api.namespace, "another"))
        assert isinstance(caught.value.body, dict)
        assert 'cannot create resource "modelinstances"' in caught.value.body["detail"]
        with pytest.raises(scale_gp.PermissionDeniedError):
            viewer.models.update(model.id, description="x")
        with pytest.raises(scale_gp.PermissionDeniedError):
            viewer.models.delete(model.id)
    assert shown(platform.models.retrieve(model.id)) == shown(model)


def test_a_key_for_calls_alone_is_refused_with_the_reason(
    gateway: GatewayProcess, platform: SGPClient, api: KubeApi
) -> None:
    model = platform.models.create(**model_of(api.namespace))
    key = executor_key(api, "app")
    for method, path, body in (
        ("GET", MODELS, None),
        ("POST", MODELS, model_of(api.namespace)),
        ("GET", f"{MODELS}/{model.id}", None),
        ("PATCH", f"{MODELS}/{model.id}", {"description": "x"}),
        ("DELETE", f"{MODELS}/{model.id}", None),
        ("GET", "/v4/model-deployments", None),
        ("GET", "/v4/model-templates", None),
    ):
        answer = send(gateway, key, method, path, body)
        assert answer.status_code == 403, (method, path)
        assert "for calls to models alone" in answer.json()["detail"]


@pytest.mark.parametrize("key", [None, "", "wrong", "a.b.c"])
def test_without_a_key_of_kubernetes(gateway: GatewayProcess, key: str | None) -> None:
    for method, path in (("GET", MODELS), ("POST", MODELS), ("DELETE", f"{MODELS}/{UNKNOWN}")):
        assert send(gateway, key, method, path, {}).status_code == 401


@pytest.fixture
def there(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client of a second namespace."""
    for name in fresh_namespace(cluster_api, "mo-shared"):
        yield cluster_api.in_namespace(name)


def same(answer: httpx.Response, other: httpx.Response, *names: str) -> bool:
    """Return whether two answers are the same but for these names, each the one that was sent."""

    def plain(response: httpx.Response) -> tuple[int, str]:
        text = response.text
        for name in names:
            text = text.replace(name, "NAME")
        return response.status_code, text

    return plain(answer) == plain(other)


def test_what_others_have_does_not_show(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, there: KubeApi
) -> None:
    there.apply(text_template_object("secret-template"))
    stranger = person_token(there)
    with client_of(gateway, stranger) as owner:
        foreign = owner.models.create(
            **model_of(there.namespace, "secret-model", model_template_id="secret-template")
        )
        assert [each.id for each in owner.models.list()] == [foreign.id]
    mine = platform.models.create(**model_of(api.namespace))

    assert [each.id for each in wait_for(lambda: list(platform.models.list()))] == [mine.id]
    assert list(platform.models.list(account_id=there.namespace)) == []
    for method, body in (("GET", None), ("PATCH", {"description": "x"}), ("DELETE", None)):
        for name, unknown in (
            (foreign.id, UNKNOWN),
            (f"{there.namespace}%2Fsecret-model", f"{there.namespace}%2Fnothing"),
            ("secret-model", "nothing"),
        ):
            answer = send(gateway, author, method, f"{MODELS}/{name}", body)
            expected = send(gateway, author, method, f"{MODELS}/{unknown}", body)
            # Where the name has the namespace, a refusal discloses nothing.
            refused = {404, 403} if "%2F" in name else {404}
            assert answer.status_code in refused, (method, name, answer.text)
            names = [each.replace("%2F", "/") for each in (name, unknown)] + ["secret-model", "nothing"]
            assert same(answer, expected, *names), (answer.text, expected.text)
    assert there.get("ModelInstance", "secret-model")["metadata"]["generation"] == 1


def test_a_foreign_account_is_like_none(
    gateway: GatewayProcess, author: str, there: KubeApi, text_template: str
) -> None:
    there.apply(text_template_object("secret-template"))

    def created(account: str, template: str = TEXT) -> httpx.Response:
        return send(gateway, author, "POST", MODELS, model_of(account, model_template_id=template))

    answer, expected = created(there.namespace), created("no-such-account")
    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["body", "account_id"]]
    assert same(answer, expected, there.namespace, "no-such-account"), (answer.text, expected.text)
    assert same(
        created(there.namespace, "secret-template"),
        created(there.namespace, "nothing"),
        "secret-template",
        "nothing",
    )


def test_a_foreign_template_is_like_none(
    gateway: GatewayProcess, author: str, api: KubeApi, there: KubeApi
) -> None:
    foreign = there.apply(text_template_object("secret-template"))["metadata"]["uid"]
    local = api.get("ModelTemplate", TEXT)["metadata"]["uid"]

    def created(template: str) -> httpx.Response:
        return send(gateway, author, "POST", MODELS, model_of(api.namespace, model_template_id=template))

    for name, unknown in (
        (foreign, UNKNOWN),
        ("secret-template", "nothing"),
        (f"{there.namespace}/secret-template", f"{there.namespace}/nothing"),
    ):
        answer, expected = created(name), created(unknown)
        assert answer.status_code == 422, answer.text
        assert [each["loc"] for each in answer.json()["detail"]] == [["body", "model_template_id"]]
        assert same(answer, expected, name, unknown), (answer.text, expected.text)
    assert created(local).status_code == 200


def test_a_role_for_one_namespace_lists_that_one(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, there: KubeApi
) -> None:
    there.apply(text_template_object())
    mine = platform.models.create(**model_of(api.namespace))
    bind_role(there, "author", api.namespace, "edit")
    both = platform.models.create(**model_of(there.namespace))

    def listed() -> Any:
        return {each.id for each in platform.models.list()} == {mine.id, both.id}

    wait_for(listed, 30, "rights that were granted are seen")
    there.delete("RoleBinding", f"{api.namespace}-author")
    wait_for(lambda: {each.id for each in platform.models.list()} == {mine.id}, 30, "and those taken away")
    with pytest.raises(scale_gp.NotFoundError):
        platform.models.retrieve(both.id)


def test_no_key_is_logged(gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi) -> None:
    secret = {"WEIGHTS": "a-value-that-is-no-one-s-business"}
    platform.models.create(**model_of(api.namespace, model_creation_parameters=secret))

    log = gateway.log.read_text()
    assert author not in log
    assert secret["WEIGHTS"] not in log
    assert json.dumps(secret) not in log
