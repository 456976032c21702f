"""Lists by the platform's own client: pages that end, filters, orders, views."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import pytest
import scale_gp

from tests.cluster.gateway.callers import person_token
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import client_of, model_of, send

if TYPE_CHECKING:
    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi, Object
    from tests.fixtures.rest import Wire

MANY = 1001
MODELS = "/v4/models"


def hosted(name: str, **spec: Any) -> Object:
    """Return an instance that an external vendor hosts: nothing runs for it."""
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": name},
        "spec": {"model_type": "GENERIC", "model_vendor": "OPENAI", **spec},
    }


def is_listed(client: SGPClient, account: str, count: int) -> bool:
    """Return whether an account has so many models."""
    return len(client.models.list(account_id=account, limit=10_000).items) == count


class Writers:
    """Threads that create, change and delete models, until the end of the context."""

    def __init__(self, api: KubeApi, doomed: list[str]) -> None:
        self.created = 0
        self._api = api
        self._doomed = doomed
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._ends.is_set() and self._doomed:
            self._api.create(hosted(f"new-{self.created}"))
            self.created += 1
            self._api.patch("ModelInstance", "stays-0500", {"spec": {"description": str(self.created)}})
            self._api.delete("ModelInstance", self._doomed.pop())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()


def test_a_thousand_and_one_are_paged_while_others_are_written(
    gateway: GatewayProcess, private_api: KubeApi, wire: Wire
) -> None:
    api = private_api
    author = person_token(api)
    stays = [f"stays-{number:04d}" for number in range(MANY)]
    doomed = [f"goes-{number:04d}" for number in range(100)]
    with ThreadPoolExecutor(4) as pool:
        # Between the others, so that what goes moves all that comes behind it.
        list(pool.map(lambda name: api.create(hosted(name)), sorted([*stays, *doomed], key=lambda n: n[-4:])))
    with client_of(gateway, author, wire=wire) as client:
        wait_for(lambda: is_listed(client, api.namespace, MANY + 100), 60, "all are listed")
        wire.clear()
        with Writers(api, doomed) as writers:
            seen = Counter(each.name for each in client.models.list(account_id=api.namespace))
        requests = len(wire.take())

    assert writers.created > 0
    assert requests <= 14, "of 100 each, and the empty one"
    assert {name: count for name, count in seen.items() if count > 1} == {}
    assert set(stays) - seen.keys() == set()


def test_a_page_past_the_end_is_empty(platform: SGPClient, api: KubeApi, wire: Wire) -> None:
    api.create(hosted("one"))
    wait_for(lambda: is_listed(platform, api.namespace, 1))
    wire.clear()

    assert [each.name for each in platform.models.list(account_id=api.namespace, limit=1)] == ["one"]

    first, past = [each.json() for each in wire.take()]
    assert (first["current_page"], first["items_per_page"], first["total_item_count"]) == (1, 1, 1)
    assert past == {"items": [], "current_page": 2, "items_per_page": 1, "total_item_count": 1}


@pytest.fixture
def three(api: KubeApi, platform: SGPClient) -> str:
    """Give an account with the models a, b and c."""
    api.create(hosted("b", display_name="1", model_group_id="g", model_type="EMBEDDING"))
    api.create(hosted("a", display_name="2", model_group_id="g"))
    api.create(hosted("c", display_name="1"))
    wait_for(lambda: is_listed(platform, api.namespace, 3))
    return api.namespace


def names(page: Any) -> str:
    """Return the names on pages, in their order."""
    return "".join(each.name for each in page)


def test_order(platform: SGPClient, three: str) -> None:
    def ordered(*fields: Any) -> str:
        return names(platform.models.list(account_id=three, sort_by=list(fields)))

    assert sorted(names(platform.models.list(account_id=three))) == ["a", "b", "c"]
    assert ordered("name:asc") == "abc"
    assert ordered("name:desc") == "cba"
    assert ordered("display_name:asc", "name:desc") == "cba"
    assert ordered("display_name:desc", "name:desc") == "acb"
    created = [
        each.created_at for each in platform.models.list(account_id=three, sort_by=["created_at:desc"])
    ]
    assert created == sorted(created, reverse=True)


def test_both_forms_of_a_list_in_a_query(gateway: GatewayProcess, author: str, three: str) -> None:
    for query in ("sort_by=display_name:asc,name:desc", "sort_by=display_name:asc&sort_by=name:desc"):
        answer = send(gateway, author, "GET", f"{MODELS}?account_id={three}&{query}").json()
        assert "".join(each["name"] for each in answer["items"]) == "cba", query


def test_filters(platform: SGPClient, three: str, gateway: GatewayProcess, author: str) -> None:
    def named(**query: Any) -> set[str]:
        return {each.name for each in platform.models.list(**query)}

    assert named(account_id=three, model_type="EMBEDDING") == {"b"}
    assert named(account_id=three, model_group_id="g") == {"a", "b"}
    assert named(account_id=three, model_group_id="other") == set()
    assert named(account_id=three, model_type="GENERIC", model_group_id="g") == {"a"}
    assert named(account_id="no-such-account") == set()
    with client_of(gateway, author, account_id=three) as selected:
        assert {each.name for each in selected.models.list()} == {"a", "b", "c"}
    with client_of(gateway, author, account_id="default") as other:
        assert list(other.models.list()) == []


def test_without_a_filter_it_is_what_the_caller_may_see(platform: SGPClient, three: str) -> None:
    assert {each.account_id for each in platform.models.list()} == {three}


def test_views(platform: SGPClient, api: KubeApi, text_template: str, operator: None) -> None:
    model = platform.models.create(**model_of(api.namespace))
    api.wait_for_condition("ModelInstance", "writer", "Ready")

    assert platform.models.retrieve(model.id).deployments is None
    seen = platform.models.retrieve(model.id, view=["Deployments", "ModelGroup"])
    (deployment,) = seen.deployments or []
    assert (deployment.name, deployment.status) == ("writer", "READY")
    assert seen.model_group is None
    (listed,) = platform.models.list(account_id=api.namespace, view=["Deployments"])
    assert [each.id for each in listed.deployments or []] == [deployment.id]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=many", "limit"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("sort_by=name", "sort_by"),
        ("sort_by=nothing:asc", "sort_by"),
        ("sort_by=name:up", "sort_by"),
        ("view=Everything", "view"),
    ],
)
def test_a_wrong_query_is_named(gateway: GatewayProcess, author: str, query: str, field: str) -> None:
    answer = send(gateway, author, "GET", f"{MODELS}?{query}")

    assert answer.status_code == 422
    assert [each["loc"][:2] for each in answer.json()["detail"]] == [["query", field]]


def test_the_largest_numbers_are_pages(gateway: GatewayProcess, author: str, three: str) -> None:
    answer = send(gateway, author, "GET", f"{MODELS}?account_id={three}&limit=10000&page={10**15}")

    assert (answer.status_code, answer.json()["items"]) == (200, [])


def test_the_list_of_models_that_the_client_cannot_read(gateway: GatewayProcess) -> None:
    with client_of(gateway, "wrong") as stranger, pytest.raises(scale_gp.AuthenticationError):
        stranger.models.list()
