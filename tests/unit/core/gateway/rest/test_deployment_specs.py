"""Deployments as entries of ``spec.deployments``."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.model_catalog import model_of
from model_operator.core.gateway.rest.deployment_requests import (
    NewDeployment,
    read_deployment_patch,
    read_new_deployment,
)
from model_operator.core.gateway.rest.deployment_specs import (
    deployment_loc,
    deployment_of,
    deployments_of,
    require_account,
    with_deployment,
    with_patched_deployment,
    without_deployment,
)
from model_operator.core.gateway.rest.instance_specs import template_entries
from model_operator.core.rendering.render import deployment_names
from model_operator.core.templates.parsing import parse_instance
from tests.unit.core.gateway.objects import served_instance
from tests.unit.core.gateway.rest.deployed_models import compiled, faults_of, model

TWO: list[dict[str, Any]] = [
    {"name": "blue", "model_creation_parameters": {"BATCH": 1}, "traffic_weight": 10},
    {
        "name": "green",
        "vendor_configuration": {"min_workers": 2, "autoscaler": "EXTERNAL"},
        "model_template_revision": "3f9a1c0b7d42",
    },
]


def new(name: str = "red", **fields: Any) -> NewDeployment:
    return read_new_deployment(json.dumps({"name": name, **fields}).encode())


def patch(**fields: Any) -> dict[str, Any]:
    return read_deployment_patch(json.dumps(fields).encode())


def named(obj: dict[str, Any], name: str) -> Any:
    ref = deployment_of(obj, name)
    assert ref is not None
    return ref


def test_names_and_ids_are_those_of_operator_and_catalogue() -> None:
    for obj in (model(), model(TWO), model([])):
        parsed, violations = parse_instance(obj)
        assert violations == ()
        assert [each.name for each in deployments_of(obj)] == deployment_names(parsed)
    served = served_instance(entries={"blue": 100, "green": 0})
    registered = model_of(served)
    assert registered is not None
    assert [(each.id, each.name, each.entry) for each in registered.deployments] == [
        (each.id, each.name, each.entry) for each in deployments_of(served)
    ]


def test_a_deployment_is_found_by_id_entry_and_name() -> None:
    obj = model(TWO)
    green = named(obj, "green")
    assert (green.index, green.name, green.shown_name) == (1, "minilm-green", "green")
    assert named(obj, green.id) == named(obj, "minilm-green") == green
    assert deployment_of(obj, "red") is None
    assert deployment_of(obj, "") is None
    implied = named(model(), "minilm")
    assert implied.is_implied
    assert named(model(), implied.id) == implied


def test_an_entry_precedes_the_deployment_of_that_name() -> None:
    obj = model([{"name": "a"}, {"name": "minilm-a"}])
    assert named(obj, "minilm-a").index == 1


def test_what_is_reported_and_not_specified_is_stale() -> None:
    reported = [
        {"name": "minilm", "status": "DELETE_IN_PROGRESS"},
        {"name": "minilm-blue", "status": "READY"},
    ]
    obj = model([{"name": "blue"}], reported)
    assert [(each.name, each.is_stale) for each in deployments_of(obj)] == [
        ("minilm-blue", False),
        ("minilm", True),
    ]
    for change in (without_deployment, lambda live, ref: with_patched_deployment(live, ref, {})):
        with pytest.raises(Failure) as caught:
            change(obj, named(obj, "minilm"))
        assert caught.value.reason is FailureReason.NOT_FOUND


def test_the_first_deployment_replaces_the_implied_one() -> None:
    live = model(replicas=3)
    changed = with_deployment(live, new())
    assert changed["spec"]["deployments"] == [{"name": "red"}]
    # Both would be refused together.
    assert "replicas" not in changed["spec"]
    assert parse_instance(changed)[1] == ()


def test_further_deployments_follow() -> None:
    live = model(TWO)
    before = deepcopy(live)
    changed = with_deployment(live, new(vendor_configuration={"max_workers": 2}))
    assert changed["spec"]["deployments"] == [
        *TWO,
        {"name": "red", "vendor_configuration": {"max_workers": 2}},
    ]
    assert live == before


def test_a_repeated_request_changes_nothing_and_another_one_is_refused() -> None:
    live = model(TWO)
    again = new("Blue", model_creation_parameters={"BATCH": 1}, traffic_weight=10)
    assert with_deployment(live, again) is live
    with pytest.raises(Failure) as caught:
        with_deployment(live, new("blue", model_creation_parameters={"BATCH": 2}))
    assert caught.value.reason is FailureReason.CONFLICT
    assert caught.value.headers == {"x-should-retry": "false"}


def test_a_model_of_an_external_vendor_has_no_deployments() -> None:
    live = model(model_vendor="OPENAI", model_type="COMPLETION")
    del live["spec"]["model_template_id"]
    assert deployments_of(live) == ()
    with pytest.raises(Failure) as caught:
        with_deployment(live, new())
    assert faults_of(caught.value) == [("body", "unsupported")]


def test_a_patch_sets_removes_and_replaces() -> None:
    live = model(TWO)
    changed = with_patched_deployment(
        live,
        named(live, "blue"),
        patch(model_creation_parameters=None, deployment_metadata={"a": 1}, vendor_configuration={}),
    )
    assert changed["spec"]["deployments"][0] == {
        "name": "blue",
        "traffic_weight": 10,
        "deployment_metadata": {"a": 1},
    }
    assert changed["spec"]["deployments"][1] == TWO[1]
    assert live["spec"]["deployments"] == TWO


def test_worker_settings_are_replaced_but_for_the_autoscaler() -> None:
    live = model(TWO)
    green = named(live, "green")
    changed = with_patched_deployment(live, green, patch(vendor_configuration={"max_workers": 4}))
    assert changed["spec"]["deployments"][1]["vendor_configuration"] == {
        "autoscaler": "EXTERNAL",
        "max_workers": 4,
    }
    emptied = with_patched_deployment(live, green, patch(vendor_configuration=None))
    assert emptied["spec"]["deployments"][1]["vendor_configuration"] == {"autoscaler": "EXTERNAL"}


def test_a_patch_of_the_implied_deployment_changes_the_model() -> None:
    live = model(replicas=2)
    implied = named(live, "minilm")
    changed = with_patched_deployment(
        live,
        implied,
        patch(model_creation_parameters={"MODEL": "large"}, vendor_configuration={"max_workers": 4}),
    )
    assert changed["spec"] == {
        "model_template_id": "encoder",
        "model_creation_parameters": {"MODEL": "large"},
        "vendor_configuration": {"max_workers": 4},
    }
    other = with_patched_deployment(live, implied, patch(model_creation_parameters={"MODEL": "large"}))
    assert other["spec"]["replicas"] == 2
    with pytest.raises(Failure) as caught:
        with_patched_deployment(
            live, implied, patch(deployment_metadata={"a": 1}, traffic_weight=1, name="x")
        )
    assert faults_of(caught.value) == [
        ("body.name", "immutable"),
        ("body.deployment_metadata", "unsupported"),
        ("body.traffic_weight", "unsupported"),
    ]


@pytest.mark.parametrize(
    ("obj", "name", "sent"),
    [
        (model(TWO), "blue", "blue"),
        (model(TWO), "blue", "Blue!"),
        (model(TWO), "blue", "minilm-blue"),
        (model(), "minilm", "minilm"),
        (model(name="MiniLM v2"), "minilm", "MiniLM v2"),
    ],
)
def test_the_same_name_is_accepted(obj: dict[str, Any], name: str, sent: str) -> None:
    assert with_patched_deployment(obj, named(obj, name), patch(name=sent, wait_for_ready=True)) is obj


def test_another_name_is_refused() -> None:
    obj = model(TWO)
    with pytest.raises(Failure) as caught:
        with_patched_deployment(obj, named(obj, "blue"), patch(name="green"))
    assert faults_of(caught.value) == [("body.name", "immutable")]


def test_without_the_last_deployment_a_model_has_none() -> None:
    live = model(TWO)
    once = without_deployment(live, named(live, "blue"))
    assert once["spec"]["deployments"] == [TWO[1]]
    assert without_deployment(once, named(once, "green"))["spec"]["deployments"] == []
    implied = without_deployment(model(replicas=2), named(model(), "minilm"))
    assert implied["spec"]["deployments"] == []
    assert parse_instance(implied)[1] == ()
    assert deployment_of(implied, "minilm") is None


def test_paths_of_the_request() -> None:
    loc_of = deployment_loc(named(model(TWO), "green"))
    assert loc_of(("spec", "deployments", 1, "vendor_configuration", "max_workers")) == (
        "body",
        "vendor_configuration",
        "max_workers",
    )
    assert loc_of(("spec", "model_creation_parameters", "MODEL")) == (
        "body",
        "model_creation_parameters",
        "MODEL",
    )
    assert loc_of(("spec", "deployments")) is None, "the message names the list"
    assert loc_of(("spec", "deployments", 0, "name")) is None
    assert loc_of(("spec", "model_template_id")) is None
    assert deployment_loc(named(model(), "minilm"))(("spec", "vendor_configuration")) == (
        "body",
        "vendor_configuration",
    )


def test_all_faults_of_parameters_and_workers_are_found_at_once() -> None:
    sent: dict[str, Any] = {
        "name": "red",
        "model_creation_parameters": {"BATCH": "4", "SIZE": 1},
        "vendor_configuration": {"min_workers": 2},
    }
    obj = with_deployment(model(), new(**sent))
    entries = template_entries(obj, compiled(max_workers=1), deployment_loc(named(obj, "red")))
    assert [(".".join(map(str, each.loc)), each.type) for each in entries] == [
        ("body.model_creation_parameters.BATCH", "int_type"),
        ("body.model_creation_parameters.SIZE", "extra_forbidden"),
        ("body.vendor_configuration.min_workers", "workers"),
    ]
    assert entries[0].input == "4"
    assert "4" not in entries[0].msg


def test_a_parameter_that_is_nowhere_is_one_of_the_request() -> None:
    live = model(TWO)
    del live["spec"]["model_creation_parameters"]
    obj = with_deployment(live, new())
    entries = template_entries(obj, compiled(), deployment_loc(named(obj, "red")))
    assert [each.loc for each in entries] == [("body", "model_creation_parameters", "MODEL")]


def test_the_account_is_that_of_the_model() -> None:
    for stated in ({}, {"account_id": "team-a"}, {"account_id": "acc-1"}):
        require_account(new(**stated), "acc-1", "team-a")
    with pytest.raises(Failure) as caught:
        require_account(new(account_id="team-b"), "acc-1", "team-a")
    assert faults_of(caught.value) == [("body.account_id", "account_mismatch")]


_NAMES = st.text("abcxyz0189-", min_size=1, max_size=22).filter(lambda name: name.strip("-") == name)
_WORKERS = st.fixed_dictionaries({}, optional={"min_workers": st.integers(0, 3), "per_worker": st.just(7)})
_ENTRIES = st.fixed_dictionaries(
    {"name": _NAMES},
    optional={
        "model_creation_parameters": st.dictionaries(
            st.text(max_size=4), st.integers(-(2**53), 2**53), max_size=2
        ),
        "vendor_configuration": _WORKERS.filter(bool),
        "deployment_metadata": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
        "traffic_weight": st.integers(0, 100),
        "model_template_revision": st.sampled_from(["latest", "stable", "3f9a1c0b7d42"]),
    },
)


@given(st.lists(_ENTRIES, max_size=5, unique_by=lambda entry: str(entry["name"])), st.data())
def test_deployments_are_added_and_removed_one_by_one(
    entries: list[dict[str, Any]], data: st.DataObject
) -> None:
    obj = model()
    for entry in entries:
        obj = with_deployment(obj, new(**entry))
    assert obj["spec"].get("deployments", []) == entries
    for entry in data.draw(st.permutations(entries)):
        left = [each for each in obj["spec"]["deployments"] if each["name"] != entry["name"]]
        obj = without_deployment(obj, named(obj, entry["name"]))
        assert obj["spec"]["deployments"] == left


@given(_ENTRIES, _ENTRIES)
def test_a_patch_with_all_fields_gives_the_entry_that_a_create_gives(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    live = with_deployment(model(), new(**before))
    fields = dict.fromkeys(
        (
            "model_creation_parameters",
            "vendor_configuration",
            "deployment_metadata",
            "traffic_weight",
            "model_template_revision",
        )
    )
    sent = patch(**{**fields, **after, "name": before["name"]})
    changed = with_patched_deployment(live, named(live, before["name"]), sent)
    assert changed["spec"]["deployments"] == [new(**{**after, "name": before["name"]}).entry()]
