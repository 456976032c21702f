"""What needs a write and what does not: the applied hash and the drift of owned fields."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.objects.drift import (
    APPLIED_HASH,
    hash_matches,
    is_applied,
    pod_revision,
    with_applied_hash,
)

HERE = Path(__file__).parent


def cases(file: str) -> pytest.MarkDecorator:
    content = yaml.safe_load((HERE / file).read_text())
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in content]
    )


def deployment(part: dict[str, Any], of: str = "pod") -> dict[str, Any]:
    """Return a Deployment with one part given."""
    container = part if of == "container" else {"image": "i"}
    pod = part if of == "pod" else {}
    spec = part if of == "spec" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo", "namespace": "team", **(part if of == "metadata" else {})},
        "spec": {**spec, "template": {"spec": {"containers": [{"name": "model", **container}], **pod}}},
    }


def with_hash(live: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return `live` as if it had been applied as `wanted`."""
    annotations = {**live["metadata"].get("annotations", {})}
    annotations[APPLIED_HASH] = wanted["metadata"]["annotations"][APPLIED_HASH]
    return {**live, "metadata": {**live["metadata"], "annotations": annotations}}


@cases("stored_forms.yaml")
def test_stored_form_needs_no_write(case: dict[str, Any]) -> None:
    of = case.get("of", "pod")
    wanted = with_applied_hash(deployment(case["applied"], of))

    assert is_applied(wanted, with_hash(deployment(case["stored"], of), wanted))


@cases("drifts.yaml")
def test_drift_needs_a_write(case: dict[str, Any]) -> None:
    of = case.get("of", "pod")
    wanted = with_applied_hash(deployment(case["applied"], of))
    live = with_hash(deployment(case["live"], of), wanted)

    assert not is_applied(wanted, live)
    assert hash_matches(wanted, live)


def test_what_we_no_longer_set_needs_a_write_although_all_that_is_wanted_is_live() -> None:
    before = with_applied_hash(deployment({"env": [{"name": "A", "value": "1"}]}, "container"))
    wanted = with_applied_hash(deployment({}, "container"))

    assert not is_applied(wanted, before)
    assert not hash_matches(wanted, before)


def test_an_object_that_was_never_applied_needs_a_write() -> None:
    wanted = with_applied_hash(deployment({}))

    assert not is_applied(wanted, deployment({}))
    assert not is_applied(wanted, {**deployment({}), "metadata": {"name": "demo", "annotations": None}})


@pytest.mark.parametrize(
    ("part", "of"),
    [
        ({"replicas": 3, "strategy": {"type": "Recreate"}}, "spec"),
        ({"labels": {"a": "b"}}, "metadata"),
        ({"priorityClassName": None}, "pod"),
    ],
)
def test_what_starts_no_new_pods_is_the_same_revision(part: dict[str, Any], of: str) -> None:
    assert pod_revision(deployment(part, of)) == pod_revision(deployment({}))


def test_other_pods_are_another_revision_however_their_quantities_are_written() -> None:
    def revision(memory: str) -> str:
        return pod_revision(deployment({"resources": {"limits": {"memory": memory}}}, "container"))

    assert revision("1Gi") == revision("1024Mi")
    assert revision("1Gi") != revision("1G")


def test_applicable_leaves_its_argument_alone() -> None:
    rendered = deployment({"nodeSelector": None, "containers": [{"name": "m", "env": [{"name": "A"}]}]})
    before = copy.deepcopy(rendered)

    applied = with_applied_hash(rendered)

    assert rendered == before
    assert "nodeSelector" not in applied["spec"]["template"]["spec"]


def test_what_is_applied_is_spelled_as_it_was_given() -> None:
    pod = {
        "resources": {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": 2}},
        "emptyDir": {"sizeLimit": "1024Ki"},
        "env": [
            {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0m"}}},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}},
        ],
    }
    applied = with_applied_hash({"kind": "Deployment", "metadata": {}, "spec": {"template": {"spec": pod}}})
    assert applied["spec"]["template"]["spec"] == pod


def test_the_hash_keeps_other_annotations() -> None:
    applied = with_applied_hash(deployment({"annotations": {"a": "b"}}, "metadata"))

    assert applied["metadata"]["annotations"].keys() == {"a", APPLIED_HASH}


def test_the_hash_is_one_for_all_spellings() -> None:
    def digest(resources: dict[str, Any]) -> Any:
        applied = with_applied_hash(deployment({"resources": resources}, "container"))
        return applied["metadata"]["annotations"][APPLIED_HASH]

    assert digest({"limits": {"cpu": 1, "memory": "1Gi"}}) == digest(
        {"limits": {"memory": "1024Mi", "cpu": "1000m"}, "requests": None}
    )
    assert digest({"limits": {"cpu": 1}}) != digest({"limits": {"cpu": 2}})


def test_the_hash_does_not_change_from_release_to_release() -> None:
    applied = with_applied_hash(deployment({"replicas": 1}, "spec"))

    # Another hash here makes an upgrade of the operator write every child once.
    assert applied["metadata"]["annotations"][APPLIED_HASH] == "803f961d09c4d9845c93db48a18103ae"


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
TEXTS = st.text("abc$ ()", max_size=4)
SPELLINGS = [("1000m", "1"), (0.5, "500m"), ("1024Mi", "1Gi"), (2, "2"), ("0.1", "100m"), ("1e3", "1e3")]
QUANTITIES = st.sampled_from([spelling for spelling, _ in SPELLINGS])
STORED_QUANTITY = dict(SPELLINGS)
PORTS = st.tuples(st.integers(1, 3), st.sampled_from(["TCP", "UDP"]))


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with any of these fields."""
    return st.fixed_dictionaries({}, optional=strategies)


def keyed(key: str, keys: st.SearchStrategy[Any], **rest: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return associative lists."""
    items = st.tuples(keys, fields(**rest)).map(lambda pair: {key: pair[0], **pair[1]})
    return st.lists(items, unique_by=lambda item: str(item[key]), max_size=3)


RESOURCES = st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), QUANTITIES)
CONTAINERS = keyed(
    "name",
    NAMES,
    image=TEXTS,
    args=st.lists(TEXTS, max_size=3),
    env=keyed("name", NAMES, value=TEXTS),
    resources=fields(requests=RESOURCES, limits=RESOURCES),
    ports=st.lists(PORTS, unique=True, max_size=3).map(
        lambda ports: [{"containerPort": port, "protocol": protocol} for port, protocol in ports]
    ),
    volumeMounts=keyed("mountPath", NAMES, name=NAMES, readOnly=st.booleans(), subPath=TEXTS),
    readinessProbe=fields(initialDelaySeconds=st.integers(0, 2), exec=fields(command=st.lists(TEXTS))),
    securityContext=fields(allowPrivilegeEscalation=st.booleans(), runAsUser=st.integers(0, 2)),
)
DEPLOYMENTS = st.builds(
    deployment,
    fields(
        containers=CONTAINERS,
        hostNetwork=st.booleans(),
        automountServiceAccountToken=st.booleans(),
        nodeSelector=st.dictionaries(NAMES, st.sampled_from(["x", "y"])),
        tolerations=st.lists(fields(key=NAMES, value=TEXTS), max_size=3),
        volumes=keyed("name", NAMES, emptyDir=fields(medium=TEXTS, sizeLimit=QUANTITIES)),
        securityContext=st.none() | fields(fsGroup=st.integers(0, 2)),
    ),
)
STORED_ZEROS = {"automountServiceAccountToken", "allowPrivilegeEscalation", "runAsUser", "fsGroup"}
ASSOCIATIVE = {"containers", "env", "volumes", "volumeMounts", "ports"}


def store(value: Any, field: str = "", owner: str = "") -> Any:
    """Return what the API server stores: quantities its own way, and most zeros not at all."""
    if isinstance(value, dict):
        return {
            key: store(item, key, field)
            for key, item in value.items()
            if key in STORED_ZEROS or field in {"requests", "limits"} or item not in ("", False, 0, [], None)
        }
    if isinstance(value, list):
        return [store(item) for item in value]
    is_quantity = field == "sizeLimit" or owner in {"requests", "limits"}
    return STORED_QUANTITY.get(value, value) if is_quantity else value


def add_foreign(value: Any, field: str = "") -> Any:
    """Return the object with a field and a list item of somebody else's, wherever that can be.

    Atomic lists and maps belong to one manager as a whole.
    """
    if isinstance(value, dict):
        added = {} if field == "nodeSelector" else {"foreign": "1"}
        return {**{key: add_foreign(item, key) for key, item in value.items()}, **added}
    if isinstance(value, list):
        items = [add_foreign(item) for item in value]
        foreign = [{"name": "foreign", "mountPath": "/f", "containerPort": 9}]
        return [*foreign, *items] if field in ASSOCIATIVE else items
    return value


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all values that are neither object nor list."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


@given(DEPLOYMENTS)
def test_property_as_stored_it_needs_no_write(rendered: dict[str, Any]) -> None:
    wanted = with_applied_hash(rendered)

    assert is_applied(wanted, store(wanted))


@given(DEPLOYMENTS)
def test_property_what_others_add_needs_no_write(rendered: dict[str, Any]) -> None:
    wanted = with_applied_hash(rendered)

    assert is_applied(wanted, add_foreign(store(wanted)))


@given(DEPLOYMENTS, st.booleans(), st.data())
def test_property_any_owned_field_changed_or_removed_needs_a_write(
    rendered: dict[str, Any], foreign: bool, data: st.DataObject
) -> None:
    wanted = with_applied_hash(rendered)
    live = store(wanted)
    *path, last = data.draw(st.sampled_from(list(leaves(live))))
    # Before anything is inserted, since a path counts the items of lists.
    inner = live
    for part in path:
        inner = inner[part]
    if data.draw(st.booleans()):
        inner[last] = "another"
    else:
        del inner[last]

    assert not is_applied(wanted, add_foreign(live) if foreign else live)


@given(DEPLOYMENTS)
def test_property_what_is_applied_has_no_nulls_and_applying_again_changes_nothing(
    rendered: dict[str, Any],
) -> None:
    wanted = with_applied_hash(rendered)

    assert not any(wanted_value is None for wanted_value in values(wanted))
    assert with_applied_hash(rendered) == wanted


def values(value: Any) -> Iterator[Any]:
    """Yield all values, on all levels."""
    yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from values(item)
