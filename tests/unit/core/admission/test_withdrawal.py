"""An edit that withdraws a template from namespaces, and writes of instances that it was withdrawn from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from model_operator.core.admission.template import Impact
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from tests.examples.objects import instance, template
from tests.examples.reviews import FakeServer, admission, ask, review, stored

SETTINGS = RenderSettings()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LABELLED = {"from": "Selected", "selector": {"matchLabels": {"models": "shared"}}}
TEAM_B = {"from": "Selected", "names": ["team-b"]}
EFFECT = "running workers stay, and no change reaches these instances until it is shared with them again"


def shared(grant: Any = None, kind: str = "ModelTemplate", **bundle: Any) -> dict[str, Any]:
    obj = {**template(**bundle), "kind": kind}
    if grant is not None:
        obj["spec"]["allowed_namespaces"] = grant
    return stored(obj, "platform" if kind == "ModelTemplate" else "")


def user(name: str = "search", namespace: str = "team-b", *, is_bound: bool = True, **spec: Any) -> Any:
    obj = stored(instance(name, model_template_namespace="platform", **spec), namespace)
    bound: dict[str, Any] = {"kind": "ModelTemplate", "name": "encoder", "namespace": "platform"}
    bound |= {"uid": "uid-of-encoder", "generation": 1}
    return obj | ({"status": {"observedGeneration": 1, "template": bound}} if is_bound else {})


def said(old: Any, new: Any, *instances: Any, labels: Any = None) -> list[str]:
    impact = Impact(old, parse_template(new), SETTINGS)
    for obj in instances:
        impact.add(read_instance(obj), labels=labels)
    return list(impact.warnings(NOW, complete=True))


@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        (TEAM_B, {"from": "Selected", "names": ["team-c"]}, None),
        (TEAM_B, None, None),
        ({"from": "All"}, {"from": "Same"}, None),
        (LABELLED, TEAM_B | {"names": ["team-c"]}, {"models": "shared"}),
        (TEAM_B, LABELLED, {}),
    ],
)
def test_the_instances_that_lose_the_template_are_counted(before: Any, after: Any, labels: Any) -> None:
    users = [user(f"m{number}") for number in range(7)]
    found = said(shared(before), shared(after), *users, user("own", "platform"), labels=labels)
    named = ", ".join(f"team-b/m{number}" for number in range(5))
    assert found[0] == (
        f"ModelTemplate encoder: this change withdraws the template from 7 instances: {named} and 2 more; "
        f"{EFFECT}"
    )
    assert found[1:] == ["ModelTemplate encoder: this change makes no new revision, so no instance changes"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TEAM_B, {"from": "All"}),
        (TEAM_B, TEAM_B),
        # The labels are not known.
        (TEAM_B, LABELLED),
    ],
)
def test_one_that_keeps_it_is_none_of_them(before: Any, after: Any) -> None:
    found = said(shared(before), shared(after), user())
    assert found == ["ModelTemplate encoder: this change makes no new revision, so no instance changes"]


def test_the_instances_that_get_it_again_are_counted() -> None:
    # They may have a revision of long ago, so it is not said that no instance changes.
    found = said(shared({"from": "Same"}), shared(TEAM_B, tag="v2"), user(), user("other"))
    (warning,) = found
    assert warning == (
        "ModelTemplate encoder: this change shares the template again with 2 instances: team-b/other, "
        "team-b/search; edits of the template and of these instances reach them again"
    )


def test_it_is_not_said_that_those_that_get_it_again_do_not_change() -> None:
    _, other = said(shared({"from": "Same"}), shared(TEAM_B), user(), user("own", "platform"))
    assert other == "ModelTemplate encoder: this change makes no new revision, so no other instance changes"


def test_what_was_withdrawn_before_is_not_counted_again() -> None:
    gone = {"from": "Selected", "names": ["team-c"]}
    assert said(shared(gone), shared(gone, tag="v2"), user()) == []


def test_it_takes_no_part_in_the_edit_that_withdraws_it() -> None:
    found = said(shared(TEAM_B), shared(None, tag="v2"), user())
    assert [each.partition(";")[0] for each in found] == [
        "ModelTemplate encoder: this change withdraws the template from 1 instance: team-b/search"
    ]


async def test_the_webhook_warns_of_a_withdrawal() -> None:
    old = shared(TEAM_B)
    new = shared({"from": "Same"}) | {"metadata": old["metadata"]}
    webhooks = admission(FakeServer(), old, user(), user("new", is_bound=False))
    answer = await ask(webhooks, review(new, old))
    assert answer["allowed"]
    # One that is not bound yet would have got it.
    assert answer["warnings"][0] == (
        "ModelTemplate encoder: this change withdraws the template from 2 instances: team-b/new, "
        f"team-b/search; {EFFECT}"
    )


async def test_a_deletion_names_those_that_it_was_withdrawn_from_too() -> None:
    old = shared(None)
    webhooks = admission(FakeServer(), old, user(), user("stranger", is_bound=False))
    (warning,) = (await ask(webhooks, review(None, old, operation="DELETE")))["warnings"]
    assert warning.startswith("ModelTemplate encoder: 1 instance uses this template: team-b/search;")


@pytest.mark.parametrize("name", ["alice", "system:serviceaccount:flux-system:kustomize-controller"])
async def test_an_edit_of_an_instance_that_it_was_withdrawn_from_is_no_fault_of_it(name: str) -> None:
    live = shared(None)
    server = FakeServer()
    server.put(live)
    old = user()
    new = user(model_creation_parameters={"UNKNOWN": 1})
    answer = await ask(admission(server, live, old), review(new, old, user=name))
    assert answer["allowed"]
    (warning,) = answer["warnings"]
    assert warning == (
        "ModelInstance search: ModelTemplate platform/encoder is no longer shared with this namespace; what "
        "runs stays as it is; the instance will be validated and changed when it is shared again"
    )


async def test_limits_hold_for_it_as_for_every_instance() -> None:
    live = shared(None)
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    old = user()
    new = user(model_creation_parameters={"MODEL_NAME": deep})
    answer = await ask(admission(FakeServer(), live, old), review(new, old))
    assert not answer["allowed"]


@pytest.mark.parametrize("kind", ["ModelTemplate", "ClusterModelTemplate"])
@pytest.mark.parametrize("name", ["alice", "system:serviceaccount:flux-system:kustomize-controller"])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
async def test_one_that_is_not_shared_is_answered_like_none(kind: str, name: str, operation: str) -> None:
    """The parameters are wrong by its schema, and nobody learns that."""
    grant = {"from": "Selected", "names": ["team-c"]}
    live = shared(grant, kind)
    home = {"model_template_namespace": "platform"} if kind == "ModelTemplate" else {}

    def model(template_id: str) -> Any:
        obj = instance("search", model_template_id=template_id, model_creation_parameters={"UNKNOWN": 1})
        obj["spec"] |= home
        return stored(obj, "team-b")

    async def answered(template_id: str) -> tuple[str, list[str]]:
        server = FakeServer()
        server.put(live)
        old = model("elsewhere") if operation == "UPDATE" else None
        answer = await ask(admission(server, live), review(model(template_id), old, user=name))
        return str(answer).replace(template_id, "NAME"), [
            each.replace(template_id, "NAME") for each in server.asked
        ]

    found = await answered("encoder")
    assert "or it is not shared with this namespace" in found[0]
    assert "'allowed': True" in found[0]
    assert found == await answered("absent")
    by_id, none = await answered("uid-of-encoder"), await answered("uid-of-nothing")
    assert by_id == none


async def test_a_grant_that_the_cache_lacks_is_read() -> None:
    """The grant and the instance are one commit: the instance is judged by the template as it is now."""
    before, after = shared(None), shared(TEAM_B)
    after["metadata"] |= {"generation": 2}
    server = FakeServer()
    server.put(after)
    new = user(is_bound=False, model_creation_parameters={"UNKNOWN": 1})
    answer = await ask(admission(server, before), review(new))
    assert not answer["allowed"]
    assert "UNKNOWN" in answer["status"]["message"]
