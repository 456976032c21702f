"""What a caller learns who is not authenticated: what follows from the review, whatever the cluster has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.controller.metrics.instruments import Metrics
from model_operator.core.webhooks.callers import Caller, Webhook
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, ask, review, stored

WRONG = {"MODEL_NAME": 7}
BOUND = {"status": {"template": {"kind": "ModelTemplate", "name": "encoder", "uid": "uid-of-encoder"}}}


def crowded() -> FakeServer:
    """Give a cluster with the template, in both kinds, and with instances of it."""
    server = FakeServer()
    server.put(stored(template()))
    server.put(stored(template("shared") | {"kind": "ClusterModelTemplate"}, namespace=""))
    for number in range(3):
        server.put(stored(instance(f"model-{number}") | BOUND))
    return server


def edit(pattern: str) -> dict[str, Any]:
    """Give the review of an edit that only values of a pattern survive: what asks for them bit by bit."""
    old, new = stored(template()), stored(template(), generation=2)
    new["spec"]["model_creation_parameters_schema"]["properties"]["MODEL_NAME"] = {
        "type": "string",
        "pattern": pattern,
    }
    return review(new, old)


QUESTIONS = {
    "a value": edit("^x"),
    "a value that fits": edit("."),
    "what is rolled": review(stored(template(image="example.com/other"), generation=2), stored(template())),
    "whether a template exists": review(stored(instance(model_template_id="encoder"))),
    "whether another exists": review(stored(instance(model_template_id="missing"))),
    "its parameters": review(stored(instance(model_creation_parameters=WRONG))),
    "its model type": review(stored(instance(model_type="COMPLETION"))),
    "a template by uid": review(stored(instance(model_template_id="uid-of-encoder"))),
    "the cluster's": review(
        stored(instance(model_template_id="shared", model_template_kind="ClusterModelTemplate"))
    ),
    "a namespace that is served": review(stored(instance(replicas=-1))),
    "a namespace that is not": review(stored(instance(replicas=-1), namespace="kube-system")),
    "what is wrong in itself": review(stored(template(image="$(parameters.A)"))),
}


async def answers(asked: dict[str, Any], path: str = "") -> list[dict[str, Any]]:
    """Give a stranger's answers in a crowded cluster and in empty ones; nothing is requested for them."""
    found = []
    for server, namespaces in ((crowded(), None), (FakeServer(), None), (FakeServer(), ["elsewhere"])):
        webhooks = admission(server, *server.objects.values(), namespaces=namespaces)
        found.append(await ask(webhooks, asked, path, Caller.STRANGER))
        assert server.asked == []
    return found


@pytest.mark.parametrize("question", QUESTIONS)
async def test_answer_does_not_depend_on_the_cluster(question: str) -> None:
    first, *others = await answers(QUESTIONS[question])
    assert others == [first, first]


@pytest.mark.parametrize(
    "question", [name for name in QUESTIONS if "wrong" not in name and "namespace" not in name]
)
async def test_what_needs_the_cluster_is_let_in_without_a_word(question: str) -> None:
    answer, *_ = await answers(QUESTIONS[question])
    assert answer == {"uid": answer["uid"], "allowed": True}


async def test_questions_are_answered_to_the_api_server() -> None:
    """Were they not, the tests above would show nothing."""
    server = crowded()
    webhooks = admission(server, *server.objects.values())
    for question in ("a value", "whether another exists", "its parameters", "its model type"):
        answer = await ask(webhooks, QUESTIONS[question])
        assert not answer["allowed"] or answer["warnings"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (review(stored(instance(replicas=-1))), "spec.replicas"),
        (review(stored(template(image="$(parameters.A)"))), "spec."),
    ],
)
async def test_what_is_wrong_in_itself_is_denied(asked: dict[str, Any], field: str) -> None:
    answer, *_ = await answers(asked)
    assert answer["allowed"] is False
    assert answer["status"]["details"]["causes"][0]["field"].startswith(field)


async def test_creator_is_written_for_anybody() -> None:
    answer, *_ = await answers(review(stored(instance())), Webhook.CREATOR)
    assert answer["patch"]


VALUES = st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["encoder", "shared", "m"])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "model_template_id": st.sampled_from(["encoder", "shared", "missing", "uid-of-encoder"]),
        "model_template_kind": st.sampled_from(["ModelTemplate", "ClusterModelTemplate"]),
        "model_type": st.sampled_from(["EMBEDDING", "COMPLETION"]),
        "replicas": st.integers(-1, 300),
        "model_creation_parameters": st.dictionaries(
            st.sampled_from(["MODEL_NAME", "BATCH_SIZE", "OTHER"]), VALUES
        ),
    },
)


@given(
    SPECS, st.booleans(), st.sampled_from([Webhook.INSTANCE, Webhook.INSTANCE_DENY, Webhook.INSTANCE_WARN])
)
async def test_no_instance_tells_what_the_cluster_has(
    spec: dict[str, Any], is_update: bool, webhook: Webhook
) -> None:
    obj = stored(instance(**spec))
    first, *others = await answers(review(obj, stored(instance()) if is_update else None), webhook)
    assert others == [first, first]


async def test_metrics_count_a_stranger_s_questions_alike() -> None:
    exposed = []
    for server in (crowded(), FakeServer()):
        metrics = Metrics()
        webhooks = admission(server, *server.objects.values(), metrics=metrics)
        for asked in QUESTIONS.values():
            await ask(webhooks, asked, caller=Caller.STRANGER)
        exposed.append(
            json.dumps(
                [
                    (sample.labels, sample.value)
                    for family in metrics.registry.collect()
                    for sample in family.samples
                    if "webhook_decisions" in sample.name and not sample.name.endswith("_created")
                ]
            )
        )
    assert exposed[0] == exposed[1]
