"""What is registered of an instance, under which names, in any order of events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import response_of
from model_operator.core.gateway.model_catalog import Catalog, model_of
from model_operator.core.gateway.models import Model
from model_operator.core.gateway.worker_failures import not_ready
from tests.unit.core.gateway.objects import served_instance, uid_of


def test_an_instance_is_registered_with_what_its_status_says() -> None:
    serving = {"model": "Qwen/Qwen3", "streaming_predict_route": "/stream"}
    model = model_of(served_instance(serving=serving))

    assert model is not None
    assert (model.id, model.uid, model.created) == ("team-a/qwen", uid_of("team-a", "qwen"), 1767225600)
    assert model.not_ready_reason == ""
    (deployment,) = model.deployments
    assert deployment.key == ("team-a", "qwen", "http")
    assert (deployment.model_type, deployment.protocol) == (
        ModelType.CHAT_COMPLETION,
        EndpointProtocol.OPENAI,
    )
    assert (deployment.served_name, deployment.predict_route) == ("Qwen/Qwen3", "/predict")
    assert deployment.streaming_predict_route == "/stream"
    assert ModelApi.CHAT_COMPLETIONS in deployment.apis


def test_the_streaming_route_is_the_other_one_unless_it_is_given() -> None:
    model = model_of(served_instance(serving={"predict_route": "/run"}))
    assert model is not None
    assert model.deployments[0].streaming_predict_route == "/run"


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param(served_instance(labels={"modeloperator.dev/gateway": "off"}), id="opted out"),
        pytest.param(served_instance(deletionTimestamp="2026-01-01T00:00:00Z"), id="terminating"),
        pytest.param(served_instance(serving={"apis": []}), id="no API"),
        pytest.param(served_instance(serving={"apis": ["OF_A_LATER_VERSION"]}), id="unknown API"),
        pytest.param(served_instance(serving={"protocol": "LATER"}), id="unknown protocol"),
        pytest.param({**served_instance(), "status": {}}, id="no status"),
        pytest.param({**served_instance(), "status": {"deployments": [{"name": "qwen"}]}}, id="not served"),
        pytest.param({**served_instance(), "spec": {"deployments": []}}, id="not deployed any more"),
    ],
)
def test_what_is_not_registered(instance: dict[str, Any]) -> None:
    assert model_of(instance) is None


def test_another_value_of_the_label_is_not_off() -> None:
    assert model_of(served_instance(labels={"modeloperator.dev/gateway": "on"})) is not None


def test_deployments_have_the_order_and_the_weights_of_the_specification() -> None:
    model = model_of(served_instance(entries={"stable": 90, "canary": 10, "off": 0}))
    assert model is not None
    assert [(each.entry, each.name, each.weight) for each in model.deployments] == [
        ("stable", "qwen-stable", 90),
        ("canary", "qwen-canary", 10),
        ("off", "qwen-off", 0),
    ]
    assert len({each.id for each in model.deployments}) == 3


def test_a_renamed_deployment_serves_until_another_replaces_it() -> None:
    before = served_instance(entries={"old": 100})
    after = served_instance(entries={"new": 50})
    after["status"]["deployments"] += before["status"]["deployments"]

    model = model_of(after)

    assert model is not None
    assert [(each.name, each.entry, each.weight) for each in model.deployments] == [
        ("qwen-new", "new", 50),
        ("qwen-old", "old", 1),
    ]


def test_why_a_model_is_not_ready() -> None:
    model = model_of(served_instance(ready=False))
    assert model is not None
    assert model.not_ready_reason == "ImagePullFailed"


def test_why_a_model_that_is_to_have_no_workers_has_none() -> None:
    instance = served_instance()
    instance["status"]["conditions"][0] |= {"reason": "Suspended", "message": "spec.suspend is true."}
    model = model_of(instance)
    assert model is not None
    failure = not_ready(model)

    assert str(failure) == (
        "model team-a/qwen: no worker is ready (Suspended: spec.suspend is true). "
        "Action (user): set spec.suspend of the ModelInstance to false."
    )
    assert "Retry-After" not in response_of(failure, Family.OPENAI).headers


def test_instances_of_one_template_share_the_schema_of_bindings() -> None:
    catalog = Catalog()
    bindings = {"bindings": {"type": "object"}}
    schema = {"type": "object", "properties": bindings}
    for name in ("one", "two"):
        instance = served_instance(name=name)
        instance["status"]["request_schema"] = {
            "properties": {"model_request_parameters": {**schema, "properties": dict(bindings)}}
        }
        catalog.put(instance)

    one, two = (catalog.get("team-a", name) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.bindings_schema == schema
    assert one.bindings_schema is two.bindings_schema


def test_a_model_is_found_by_its_names_and_ids() -> None:
    catalog = Catalog()
    for namespace in ("team-a", "team-b"):
        catalog.put(served_instance(namespace))
    model = catalog.get("team-b", "qwen")

    assert model is not None
    assert [each.id for each in catalog.named("qwen")] == ["team-a/qwen", "team-b/qwen"]
    assert catalog.by_uid(uid_of("team-b", "qwen")) == model
    assert catalog.by_deployment(model.deployments[0].id) == (model, model.deployments[0])
    assert catalog.named("other") == []
    assert catalog.by_uid("nonsense") is None
    assert catalog.by_deployment("nonsense") is None


NAMES = [(namespace, name) for namespace in ("a", "b") for name in ("x", "y")]
EVENTS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["put", "opt out", "remove"]), st.integers(0, 2)),
    max_size=40,
)


@given(EVENTS)
def test_property_the_catalog_has_exactly_what_was_put_last(
    events: list[tuple[tuple[str, str], str, int]],
) -> None:
    catalog = Catalog()
    expected: dict[tuple[str, str], Model | None] = {}
    for (namespace, name), event, count in events:
        entries = {f"e{number}": number for number in range(count)} if count else None
        if event == "remove":
            catalog.remove(namespace, name)
            expected.pop((namespace, name), None)
        else:
            labels = {"modeloperator.dev/gateway": "off"} if event == "opt out" else {}
            instance = served_instance(namespace, name, entries=entries, labels=labels)
            catalog.put(instance)
            expected[namespace, name] = model_of(instance)
    models = {key: model for key, model in expected.items() if model is not None}

    assert {(model.namespace, model.name): model for model in catalog} == models
    assert len(catalog) == len(models)
    for namespace, name in NAMES:
        model = models.get((namespace, name))
        assert catalog.get(namespace, name) == model
        assert catalog.by_uid(uid_of(namespace, name)) == model
    for name in ("x", "y"):
        assert [each.id for each in catalog.named(name)] == sorted(
            model.id for model in models.values() if model.name == name
        )
    ids = {each.id: (model, each) for model in models.values() for each in model.deployments}
    assert {key: catalog.by_deployment(key) for key in ids} == ids


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("/predict?a=%20b&c={d}", "/predict?a=%20b&c={d}"),
        ("/a b", "/a%20b"),
        ("/a\r\nX: y", "/a%0D%0AX:%20y"),
        ("/a#b\0", "/a%23b%00"),
        ("/\u00e9\ud800", "/%C3%A9?"),
        ("predict", "/predict"),
    ],
)
def test_a_route_is_one_path(route: str, path: str) -> None:
    catalog = Catalog()
    catalog.put(served_instance(serving={"predict_route": route}))
    (model,) = catalog
    assert model.deployments[0].predict_route == model.deployments[0].streaming_predict_route == path
