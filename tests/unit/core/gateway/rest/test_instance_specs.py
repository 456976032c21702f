"""Requests as ModelInstances, and what is wrong with these."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api import ModelTemplateStatus
from model_operator.core.gateway.failures import Failure
from model_operator.core.gateway.rest.entries import merged
from model_operator.core.gateway.rest.instance_specs import (
    new_instance,
    patched_instance,
    template_entries,
)
from model_operator.core.gateway.rest.model_requests import (
    read_model_draft,
    read_model_patch,
)
from model_operator.core.templates.parsing import parse_template
from tests.examples.objects import template

REQUIRED = {"name": "qwen", "model_type": "EMBEDDING", "account_id": "team-a"}


def made(namespace: str = "team-a", **fields: Any) -> dict[str, Any]:
    body = REQUIRED | fields
    request, wrong = read_model_draft(json.dumps(body).encode())
    assert not wrong
    return new_instance(request, namespace, body["account_id"], "ann")


def live(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {"name": "qwen", "namespace": "team-a", "uid": "u", "resourceVersion": "7"},
        "spec": {"model_template_id": "encoder", "model_creation_parameters": {"MODEL_NAME": "x"}, **spec},
        "status": {"id": "u"},
    }


def patched(obj: dict[str, Any], account: str = "team-a", **patch: Any) -> dict[str, Any]:
    before = copy.deepcopy(obj)
    changed = patched_instance(obj, read_model_patch(json.dumps(patch).encode()), account)
    assert obj == before
    assert {name: changed[name] for name in obj if name != "spec"} == {
        name: obj[name] for name in obj if name != "spec"
    }
    return changed["spec"]  # type: ignore[no-any-return]


def compiled(schema: dict[str, Any] | None = None, **spec: Any) -> Any:
    obj = template()
    obj["metadata"] |= {"namespace": "team-a", "uid": "t"}
    obj["spec"] |= spec
    if schema is not None:
        obj["spec"]["model_creation_parameters_schema"] = schema
    found = parse_template(obj)
    assert not found.violations
    return found


def summary(entries: Any) -> list[tuple[str, str]]:
    return [(".".join(map(str, entry.loc)), entry.type) for entry in entries]


def test_an_instance_has_the_fields_of_the_request() -> None:
    metadata = {"model_developer": "us", "modelDetails": {"languages": 3}}
    obj = made(
        name="Qwen 2",
        model_vendor="LAUNCH",
        model_template_id="encoder",
        base_model_metadata={**metadata, "delivery_date": None},
        model_creation_parameters={"A": None},
        description="",
        model_card=None,
    )
    assert obj == {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {
            "name": "qwen-2",
            "namespace": "team-a",
            "labels": {"app.kubernetes.io/managed-by": "model-operator-rest"},
            "annotations": {
                "modeloperator.dev/created-by-user-id": "ann",
                "modeloperator.dev/created-by-identity-type": "user",
            },
        },
        "spec": {
            "name": "Qwen 2",
            "model_type": "EMBEDDING",
            "model_vendor": "LAUNCH",
            "model_template_id": "encoder",
            "base_model_metadata": metadata,
            "model_creation_parameters": {"A": None},
            "description": "",
        },
    }
    assert all(type(value) in (str, dict) for value in obj["spec"].values())


def test_a_name_that_is_the_objects_is_not_repeated_and_the_account_of_a_label_is_kept() -> None:
    assert made()["spec"] == {"model_type": "EMBEDDING"}
    assert made("ns-1", account_id="team-a")["spec"] == {"model_type": "EMBEDDING", "account_id": "team-a"}


@pytest.mark.parametrize(
    ("template_id", "fields"),
    [
        ("encoder", {"model_template_id": "encoder"}),
        (
            "team-a/encoder",
            {"model_template_id": "encoder", "model_template_kind": "ModelTemplate"},
        ),
        (
            "team-b/encoder",
            {
                "model_template_id": "encoder",
                "model_template_kind": "ModelTemplate",
                "model_template_namespace": "team-b",
            },
        ),
        ("Team-B/encoder", {"model_template_id": "Team-B/encoder"}),
        ("team-a/", {"model_template_id": "team-a/"}),
    ],
)
def test_a_template_may_be_named_with_its_namespace(template_id: str, fields: dict[str, str]) -> None:
    spec = made(model_template_id=template_id)["spec"]
    assert {name: value for name, value in spec.items() if "template" in name} == fields


def test_a_patch_sets_replaces_and_removes() -> None:
    metadata = {"model_developer": "us", "modelDetails": {"languages": 3}}
    obj = live(base_model_metadata=metadata, description="old", display_name="kept", replicas=2)
    spec = patched(
        obj,
        base_model_metadata={"modelDetails": {"alignments": 1}},
        description=None,
        model_creation_parameters={"BATCH_SIZE": 2},
        model_card="new",
    )
    assert spec == {
        "model_template_id": "encoder",
        "base_model_metadata": {"modelDetails": {"alignments": 1}},
        "model_creation_parameters": {"BATCH_SIZE": 2},
        "display_name": "kept",
        "model_card": "new",
        "replicas": 2,
    }


def test_a_patch_of_the_name_leaves_the_object_its_own() -> None:
    assert patched(live(), name="Other")["name"] == "Other"
    assert "name" not in patched(live(name="Other"), name="qwen")


@pytest.mark.parametrize("account", ["team-a", "acme"])
def test_the_same_account_is_accepted(account: str) -> None:
    obj = live(account_id="acme")
    assert patched(obj, "acme", account_id=account) == obj["spec"]


def test_another_account_is_refused() -> None:
    with pytest.raises(Failure) as caught:
        patched_instance(live(), {"account_id": "other", "name": None}, "acme")
    assert summary(caught.value.entries) == [
        ("body.name", "none_not_allowed"),
        ("body.account_id", "immutable"),
    ]


def test_the_kind_of_a_template_goes_with_the_template() -> None:
    obj = live(model_template_kind="ClusterModelTemplate")
    assert patched(obj, model_template_id="encoder") == obj["spec"]
    other = patched(obj, model_template_id="other")
    assert (other["model_template_id"], "model_template_kind" in other) == ("other", False)
    own = patched(obj, model_template_id="team-a/other")
    assert (own["model_template_id"], own["model_template_kind"]) == ("other", "ModelTemplate")
    removed = patched(obj, model_template_id=None)
    assert not {"model_template_id", "model_template_kind"} & removed.keys()


PATCHES = st.dictionaries(
    st.sampled_from(["display_name", "description", "model_card", "model_group_id", "base_model_id"]),
    st.none() | st.text(min_size=1, max_size=5),
)


@given(PATCHES, PATCHES)
def test_a_patch_of_a_patch_is_one_of_both(first: dict[str, Any], second: dict[str, Any]) -> None:
    one = patched_instance(patched_instance(live(), first, "team-a"), second, "team-a")
    assert one == patched_instance(live(), first | second, "team-a")
    assert all(one["spec"].get(name) == value for name, value in second.items())


def test_all_parameters_that_are_missing_are_named() -> None:
    names = [f"P{number:02}" for number in range(30)]
    schema = {"properties": {name: {"type": "string"} for name in names}, "required": names}
    entries = template_entries(made(model_template_id="encoder"), compiled(schema))
    assert summary(entries) == [(f"body.model_creation_parameters.{name}", "missing") for name in names]


def test_parameters_of_all_kinds_and_the_model_type_are_judged_at_once() -> None:
    obj = made(
        model_template_id="encoder",
        model_type="COMPLETION",
        display_name="",
        model_creation_parameters={"BATCH_SIZE": 0, "FOO": "secret"},
    )
    entries = template_entries(obj, compiled())
    assert summary(entries) == [
        ("body.display_name", "string_too_short"),
        ("body.model_creation_parameters.BATCH_SIZE", "greater_than_equal"),
        ("body.model_creation_parameters.FOO", "extra_forbidden"),
        ("body.model_creation_parameters.MODEL_NAME", "missing"),
        ("body.model_type", "model_type"),
    ]
    assert all("secret" not in entry.msg for entry in entries)
    assert [entry.to_dict()["input"] for entry in entries] == [
        "",
        0,
        "secret",
        {"BATCH_SIZE": 0, "FOO": "secret"},
        "COMPLETION",
    ]


def test_parameters_of_every_deployment_are_judged() -> None:
    obj = live(
        model_creation_parameters={"MODEL_NAME": 5},
        deployments=[
            {"name": "a", "model_creation_parameters": {"MODEL_NAME": "x", "BATCH_SIZE": "2"}},
            {"name": "b", "model_creation_parameters": {"X": 1}},
        ],
    )
    assert summary(template_entries(obj, compiled())) == [
        ("body.deployments.0.model_creation_parameters.BATCH_SIZE", "int_type"),
        ("body.deployments.1.model_creation_parameters.X", "extra_forbidden"),
        ("body.model_creation_parameters.MODEL_NAME", "string_type"),
    ]


ABSENT = "0" * 12


@pytest.mark.parametrize(
    ("rollout", "runs", "pin", "pins", "judged"),
    [
        pytest.param(False, None, None, None, True, id="no pin"),
        pytest.param(False, ABSENT, "latest", None, True, id="follows"),
        pytest.param(False, None, "current", None, True, id="pinned to what the template is"),
        pytest.param(False, ABSENT, ABSENT, None, False, id="pinned to another revision"),
        pytest.param(False, None, "stable", None, False, id="new, stable"),
        pytest.param(False, "current", "stable", None, True, id="stable, at the latest"),
        pytest.param(True, None, None, None, True, id="new, in steps"),
        pytest.param(True, "current", None, None, True, id="arrived"),
        pytest.param(True, ABSENT, None, None, False, id="waits"),
        pytest.param(False, None, None, [None, ABSENT], [0], id="one deployment at another revision"),
        pytest.param(False, None, ABSENT, ["latest", None, "current", "stable"], [0, 2], id="only some here"),
        pytest.param(True, ABSENT, None, [None, "latest"], [1], id="waits, with a canary"),
        pytest.param(False, None, None, [ABSENT, "stable"], [], id="all at other revisions"),
    ],
)
def test_only_what_runs_the_template_as_it_is_now_is_judged_by_it(
    *, rollout: bool, runs: str | None, pin: str | None, pins: list[str | None] | None, judged: Any
) -> None:
    """The REST API does not know earlier revisions: whose parameters fit one of them is up to the webhook."""
    template = compiled(**({"rollout": {}} if rollout else {}))

    def named(revision: str | None) -> dict[str, str]:
        found = template.revision if revision == "current" else revision
        return {} if found is None else {"model_template_revision": found}

    wrong = {"model_creation_parameters": {"MODEL_NAME": "x", "X": 1}}
    entries = [{"name": f"d{index}", **wrong, **named(each)} for index, each in enumerate(pins or ())]
    obj = live(**named(pin), **({"deployments": entries} if entries else wrong))
    if runs is not None:
        ref = {"kind": "ModelTemplate", "name": "encoder", "uid": "t", "generation": 1}
        obj["status"] = {"template": {**ref, "revision": named(runs)["model_template_revision"]}}

    found = [loc for loc, _ in summary(template_entries(obj, template))]

    if isinstance(judged, list):
        assert found == [f"body.deployments.{index}.model_creation_parameters.X" for index in judged]
    else:
        assert found == (["body.model_creation_parameters.X"] if judged else [])


@pytest.mark.parametrize(("stable", "judged"), [(None, True), ("own", True), (ABSENT, False)])
def test_a_new_model_is_not_judged_by_a_revision_that_it_may_not_get(
    stable: str | None, judged: bool
) -> None:
    """While the roll-out is halted or paused it runs the stable one."""
    template = compiled(rollout={})
    status = ModelTemplateStatus(stable_revision=template.revision if stable == "own" else stable)
    template = replace(template, resource=template.resource.model_copy(update={"status": status}))
    obj = live(model_creation_parameters={"MODEL_NAME": "x", "X": 1})
    assert bool(template_entries(obj, template)) is judged


@pytest.mark.parametrize(
    ("template_id", "kept"),
    [("encoder", [ABSENT, "stable"]), ("other", [None, "stable"]), (None, [None, None])],
)
def test_with_another_template_the_revisions_of_the_old_one_go(
    template_id: str | None, kept: list[str | None]
) -> None:
    entries = [
        {"name": "a", "model_template_revision": ABSENT},
        {"name": "b", "model_template_revision": "stable"},
    ]
    obj = live(model_template_revision=ABSENT, deployments=entries)
    spec = patched(obj, model_template_id=template_id)
    assert [each.get("model_template_revision") for each in spec["deployments"]] == kept
    assert spec.get("model_template_revision") == kept[0]
    assert obj["spec"]["model_template_revision"] == ABSENT


def test_a_patch_of_anything_else_keeps_the_revisions() -> None:
    entries = [{"name": "a", "model_template_revision": ABSENT}]
    spec = patched(live(model_template_revision="stable", deployments=entries), description="new")
    assert (spec["model_template_revision"], spec["deployments"]) == ("stable", entries)


def test_a_value_that_does_not_fit_its_use_is_refused() -> None:
    labels = {"metadata": {"labels": {"model": "$(parameters.MODEL_NAME)"}}}
    obj = made(model_template_id="encoder", model_creation_parameters={"MODEL_NAME": "not a label"})
    assert summary(template_entries(obj, compiled(pod_template=labels))) == [
        ("body.model_creation_parameters.MODEL_NAME", "label_value")
    ]


def test_a_field_that_the_request_does_not_have_is_named_in_the_message() -> None:
    obj = live(model_creation_parameters={})
    (entry,) = template_entries(obj, compiled(), lambda _: None)
    assert entry.loc == ("body",)
    assert entry.msg.startswith("spec.model_creation_parameters.MODEL_NAME: ")


@pytest.mark.parametrize("valid", [True, False])
def test_without_a_usable_template_the_instance_is_judged_by_itself(valid: bool) -> None:
    obj = made(model_template_id="encoder", model_creation_parameters={"A" * 300: 1} if not valid else {})
    broken = template()
    broken["metadata"]["namespace"] = "team-a"
    broken["spec"]["model_creation_parameters_schema"] = {"type": "string"}
    unusable = parse_template(broken)
    assert unusable.violations
    for each in (None, unusable):
        expected = [] if valid else [("body.model_creation_parameters", "key_too_long")]
        assert summary(template_entries(obj, each)) == expected


def test_a_model_needs_a_template_unless_its_vendor_hosts_it() -> None:
    assert summary(template_entries(made(), None)) == [("body.model_template_id", "missing")]
    assert summary(template_entries(made(display_name=""), None)) == [
        ("body.display_name", "string_too_short"),
        ("body.model_template_id", "missing"),
    ]
    assert template_entries(made(model_vendor="OPENAI"), None) == ()


def test_a_type_that_no_model_has_is_refused() -> None:
    obj = made(model_template_id="encoder", model_type="BUNDLE")
    assert [loc for loc, _ in summary(template_entries(obj, compiled()))] == [
        "body.model_creation_parameters.MODEL_NAME",
        "body.model_type",
    ]


def test_what_is_wrong_twice_at_one_place_is_named_once() -> None:
    draft, wrong = read_model_draft(b'{"name": "qwen", "account_id": "a", "model_vendor": "OPENAI"}')
    more = template_entries(new_instance(draft, "a", "a", "ann"), None)
    assert summary(more) == [("body.model_type", "missing")]
    assert merged(wrong, more) == wrong


def test_a_draft_is_judged_by_what_is_valid_of_it() -> None:
    body = {"account_id": "team-a", "model_template_id": "encoder", "model_creation_parameters": {"X": 1}}
    draft, wrong = read_model_draft(json.dumps(body).encode())
    obj = new_instance(draft, "team-a", "team-a", "ann")
    assert summary(merged(wrong, template_entries(obj, compiled()))) == [
        ("body.name", "missing"),
        ("body.model_type", "missing"),
        ("body.model_creation_parameters.MODEL_NAME", "missing"),
        ("body.model_creation_parameters.X", "extra_forbidden"),
    ]
