"""Two gateways on one API server: what one has written, the other one knows at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import scale_gp

from tests.cluster.gateway.callers import bind_role
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import client_of, model_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scale_gp import SGPClient

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi

pytestmark = pytest.mark.usefixtures("text_template")
ROUNDS = 10


@pytest.fixture(scope="module")
def second(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Give another replica of the gateway."""
    log = tmp_path_factory.mktemp("second") / "gateway.log"
    with GatewayProcess.start(cluster.gateway_kubeconfig(), log=log) as started:
        yield started


@pytest.fixture
def other(second: GatewayProcess, author: str) -> Iterator[SGPClient]:
    """Give the platform's client at the second replica, which never sends a request again."""
    with client_of(second, author, max_retries=0) as client:
        yield client


def test_read_change_and_delete_at_the_other_one(platform: SGPClient, other: SGPClient, api: KubeApi) -> None:
    for number in range(ROUNDS):
        model = platform.models.create(**model_of(api.namespace, f"writer-{number}"))
        assert shown(other.models.retrieve(model.id)) == shown(model)
        changed = other.models.update(model.id, description="changed")
        assert shown(platform.models.retrieve(model.id)) == shown(changed)
        assert other.models.delete(model.id).count == 1
        with pytest.raises(scale_gp.NotFoundError):
            platform.models.retrieve(model.id)


def test_the_change_comes_first_at_the_other_one(platform: SGPClient, other: SGPClient, api: KubeApi) -> None:
    for number in range(ROUNDS):
        model = platform.models.create(**model_of(api.namespace, f"writer-{number}"))
        assert other.models.update(model.id, description="changed").id == model.id
        assert other.models.delete(model.id).count == 1


def test_the_list_of_the_one_that_wrote_has_it_at_once(platform: SGPClient, api: KubeApi) -> None:
    listed: set[str] = set()
    for number in range(ROUNDS):
        listed.add(platform.models.create(**model_of(api.namespace, f"writer-{number}")).id)
        assert {each.id for each in platform.models.list(account_id=api.namespace)} == listed
    for model in list(listed):
        platform.models.delete(model)
        listed.remove(model)
        assert {each.id for each in platform.models.list(account_id=api.namespace)} == listed


def test_the_list_of_the_other_one_has_it_within_a_second(
    platform: SGPClient, other: SGPClient, api: KubeApi
) -> None:
    for number in range(ROUNDS):
        model = platform.models.create(**model_of(api.namespace, f"writer-{number}"))
        begun = time.monotonic()
        wait_for(lambda model=model: model.id in {each.id for each in other.models.list()}, 1)  # type: ignore[misc]
        assert time.monotonic() - begun < 1


def test_a_new_status_does_not_come_between(
    platform: SGPClient, other: SGPClient, private_api: KubeApi, api: KubeApi
) -> None:
    obj = {"model_type": "GENERIC", "model_vendor": "OPENAI"}
    kind = {"apiVersion": "modeloperator.dev/v1alpha1", "kind": "ModelInstance"}
    uid = private_api.create({**kind, "metadata": {"name": "busy"}, "spec": obj})["metadata"]["uid"]
    bind_role(private_api, "author", api.namespace, "edit")
    ends = threading.Event()

    def report() -> None:
        number = 0
        while not ends.is_set():
            number += 1
            private_api.patch(
                "ModelInstance", "busy", {"status": {"worker_count": number}}, subresource="status"
            )

    reporters = [threading.Thread(target=report) for _ in range(3)]
    for reporter in reporters:
        reporter.start()
    try:
        for number in range(ROUNDS):
            assert other.models.update(uid, description=str(number)).description == str(number)
    finally:
        ends.set()
        for reporter in reporters:
            reporter.join()


def test_changes_at_the_same_time_are_all_kept(platform: SGPClient, other: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))
    fields = ["description", "display_name", "model_card", "training_data_card", "base_model_id"]

    def change(field: str) -> None:
        for number in range(5):
            platform.models.update(model.id, **{field: str(number)})  # type: ignore[arg-type]

    with ThreadPoolExecutor(len(fields)) as pool:
        list(pool.map(change, fields))

    seen = shown(other.models.retrieve(model.id))
    assert {field: seen[field] for field in fields} == dict.fromkeys(fields, "4")


def test_an_id_that_was_never_there_is_not_waited_for_long(other: SGPClient) -> None:
    begun = time.monotonic()
    with pytest.raises(scale_gp.NotFoundError):
        other.models.retrieve("00000000-0000-4000-8000-000000000001")
    assert time.monotonic() - begun < 5


def test_a_deleted_id_is_not_waited_for(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))
    platform.models.delete(model.id)
    begun = time.monotonic()
    for _ in range(5):
        with pytest.raises(scale_gp.NotFoundError):
            platform.models.retrieve(model.id)
    assert time.monotonic() - begun < 3, "a second each, if it were waited for"


def test_the_list_is_the_same_at_both(platform: SGPClient, other: SGPClient, api: KubeApi) -> None:
    for number in range(ROUNDS):
        platform.models.create(**model_of(api.namespace, f"writer-{number}"))

    def both() -> bool:
        pages = [list(client.models.list(account_id=api.namespace)) for client in (platform, other)]
        return pages[0] == pages[1] and len(pages[0]) == ROUNDS

    wait_for(both, 10, "both lists are the same, in the same order")
