"""A name means one model that the caller may execute, or an error; never another namespace's model."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.apis import ROUTES, Route
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.model_catalog import Catalog
from model_operator.core.gateway.models import Deployment
from model_operator.core.gateway.naming import Candidate, candidates, choose, only
from tests.unit.core.gateway.objects import served_instance, uid_of

CHAT = next(route for route in ROUTES if route.name == "chat-completions")
EMBEDDINGS = next(route for route in ROUTES if route.name == "embeddings")


@pytest.fixture
def catalog() -> Catalog:
    found = Catalog()
    for namespace, name in (("team-a", "qwen"), ("team-b", "qwen"), ("team-a", "llama")):
        found.put(served_instance(namespace, name))
    found.put(served_instance("team-a", "split", entries={"stable": 90, "canary": 10}))
    return found


@pytest.mark.parametrize(
    ("name", "account", "ids"),
    [
        ("team-a/qwen", "", ["team-a/qwen"]),
        ("team-a/qwen", "team-b", ["team-a/qwen"]),
        ("qwen", "", ["team-a/qwen", "team-b/qwen"]),
        ("qwen", "team-b", ["team-b/qwen"]),
        ("llama", "", ["team-a/llama"]),
        (uid_of("team-b", "qwen"), "", ["team-b/qwen"]),
        ("team-b/llama", "", []),
        ("team-a/split/canary", "", ["team-a/split"]),
        ("team-a/split/split-canary", "", ["team-a/split"]),
        ("team-a/split/other", "", []),
        ("team-a/qwen/qwen", "", ["team-a/qwen"]),
        ("a/b/c/d", "", []),
        ("/qwen", "", []),
        ("team-a/", "", []),
        ("", "", []),
    ],
)
def test_what_a_name_may_mean(catalog: Catalog, name: str, account: str, ids: list[str]) -> None:
    assert [each.model.id for each in candidates(catalog, name, {account} if account else None)] == ids


def test_the_id_of_a_deployment_means_it_alone(catalog: Catalog) -> None:
    model = catalog.get("team-a", "split")
    assert model is not None
    (found,) = candidates(catalog, model.deployments[1].id)
    assert found == Candidate(model, model.deployments[1])


def test_what_a_caller_may_not_execute_does_not_exist() -> None:
    with pytest.raises(Failure) as caught:
        only("team-b/secret", [])
    assert caught.value.reason is FailureReason.MODEL_NOT_FOUND


def test_a_name_of_two_models_is_refused_with_both(catalog: Catalog) -> None:
    with pytest.raises(Failure) as caught:
        only("qwen", candidates(catalog, "qwen"))
    assert caught.value.reason is FailureReason.MODEL_AMBIGUOUS
    assert "team-a/qwen, team-b/qwen" in str(caught.value)


def test_a_name_from_a_request_is_escaped_and_cut() -> None:
    with pytest.raises(Failure) as caught:
        only("\x1b[31m" + "x" * 100_000, [])
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


def chosen(
    catalog: Catalog, ready: set[str], route: Route = CHAT, name: str = "team-a/split"
) -> Counter[str]:
    (candidate,) = candidates(catalog, name)
    return Counter(
        choose(candidate, route, lambda each: each.entry in ready, number / 100).entry
        for number in range(100)
    )


def test_weights_share_the_requests(catalog: Catalog) -> None:
    assert chosen(catalog, {"stable", "canary"}) == {"stable": 90, "canary": 10}


def test_a_deployment_without_a_ready_worker_gets_nothing(catalog: Catalog) -> None:
    assert chosen(catalog, {"canary"}) == {"canary": 100}


def test_without_any_ready_worker_the_heaviest_one_is_reported(catalog: Catalog) -> None:
    assert chosen(catalog, set()) == {"stable": 100}


def test_weight_0_is_for_those_who_name_it(catalog: Catalog) -> None:
    catalog.put(served_instance("team-a", "split", entries={"stable": 100, "next": 0}))
    assert chosen(catalog, {"stable", "next"}) == {"stable": 100}
    assert chosen(catalog, {"next"}) == {"stable": 100}, "a canary of weight 0 takes over from nothing"
    assert chosen(catalog, {"next"}, name="team-a/split/next") == {"next": 100}


def test_all_of_weight_0_share_alike(catalog: Catalog) -> None:
    catalog.put(served_instance("team-a", "split", entries={"one": 0, "two": 0}))
    assert chosen(catalog, {"one", "two"}) == {"one": 50, "two": 50}


def test_an_api_that_the_model_does_not_have_is_refused_with_those_that_it_has(catalog: Catalog) -> None:
    (candidate,) = candidates(catalog, "llama")
    with pytest.raises(Failure) as caught:
        choose(candidate, EMBEDDINGS, lambda _: True, 0.5)
    assert caught.value.reason is FailureReason.API_NOT_SUPPORTED
    assert "it answers: /v1/chat/completions, /v1/completions, the platform's execute." in str(caught.value)


PARTS = st.sampled_from(["team-a", "team-b", "qwen", "llama", "", "canary"])


@given(st.lists(PARTS, max_size=4).map("/".join))
def test_property_a_name_with_a_namespace_never_means_another_one(name: str) -> None:
    found = Catalog()
    for namespace in ("team-a", "team-b"):
        found.put(served_instance(namespace, "qwen"))
    for each in candidates(found, name):
        if "/" in name:
            assert name.startswith(f"{each.model.id}")
        else:
            assert each.model.name == name


@given(st.lists(st.integers(0, 100), min_size=1, max_size=5), st.floats(0, 1, exclude_max=True))
def test_property_any_share_chooses_a_deployment_of_its_weight(weights: list[int], share: float) -> None:
    found = Catalog()
    model = found.put(served_instance(entries={f"e{n}": weight for n, weight in enumerate(weights)}))
    assert model is not None

    def is_ready(_: Deployment) -> bool:
        return True

    deployment = choose(Candidate(model), CHAT, is_ready, share)
    assert deployment in model.deployments
    assert deployment.weight > 0 or not any(weights)
