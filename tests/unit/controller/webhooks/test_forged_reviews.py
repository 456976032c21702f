"""Reviews whose parts contradict each other, or name what Kubernetes would refuse: malformed for all."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.controller.webhooks.review import MalformedReviewError, Review, parse_review
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    ResourceKind,
)
from tests.examples.objects import instance, template
from tests.examples.reviews import review, stored

CREATED = review(stored(instance()))
UPDATED = review(stored(instance(), generation=2), stored(instance()))
CLUSTER = review(stored(template() | {"kind": "ClusterModelTemplate"}, namespace=""))
DELETED = review(None, stored(instance()), operation="DELETE")
BAD_NAMESPACES = [
    "",
    ".",
    "..",
    "../..",
    "a/b",
    "a.b",
    "A",
    "-a",
    "a-",
    "a" * 64,
    "a\n",
    "é",
    "a?b",
    "%2e%2e",
    None,
]
BAD_NAMES = [
    ".",
    "..",
    "../..",
    "a/b",
    "A",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    "a" * 254,
    "a\n",
    "a b",
    "%2e",
    7,
]


NAMES = ("name", "object__metadata__name", "oldObject__metadata__name")


def parsed(asked: dict[str, Any], kind: ResourceKind = MODEL_INSTANCES) -> Review:
    return parse_review(json.dumps(asked).encode(), kind)


def changed(asked: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Give a review with other values at paths of fields, with `__` between them; ... takes a field away."""
    forged = copy.deepcopy(asked)
    for path, value in changes.items():
        *way, last = path.split("__")
        target = forged["request"]
        for part in way:
            target = target[part]
        if value is ...:
            target.pop(last, None)
        else:
            target[last] = value
    return forged


GENERATED = changed(CREATED, name="", object__metadata__generateName="m-")


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (CREATED, MODEL_INSTANCES),
        (UPDATED, MODEL_INSTANCES),
        (DELETED, MODEL_INSTANCES),
        (CLUSTER, CLUSTER_MODEL_TEMPLATES),
        (changed(CLUSTER, namespace=...), CLUSTER_MODEL_TEMPLATES),
        (review(stored(template())), MODEL_TEMPLATES),
        (changed(CREATED, object__metadata__uid=..., oldObject=...), MODEL_INSTANCES),
        (changed(UPDATED, object__metadata__uid=...), MODEL_INSTANCES),
        # The server makes the name: a mutating webhook is called before that, a validating one after it.
        (changed(GENERATED, object__metadata__name=...), MODEL_INSTANCES),
        (changed(GENERATED, name=..., object__metadata__name="m-x7"), MODEL_INSTANCES),
        (changed(DELETED, name=""), MODEL_INSTANCES),
    ],
)
def test_what_the_api_server_sends_is_read(asked: dict[str, Any], kind: ResourceKind) -> None:
    read = parsed(asked, kind)
    assert (read.kind, read.namespace) == (kind.kind, asked["request"].get("namespace", ""))


FORGED = [
    *((CREATED, {"namespace": bad, "object__metadata__namespace": bad}) for bad in BAD_NAMESPACES),
    *((CREATED, {"name": bad, "object__metadata__name": bad}) for bad in BAD_NAMES),
    *((UPDATED, dict.fromkeys(NAMES, bad)) for bad in BAD_NAMES),
    *((DELETED, {"namespace": bad}) for bad in BAD_NAMESPACES),
    *((DELETED, {"name": bad}) for bad in BAD_NAMES),
    (CREATED, {"namespace": "team-b"}),
    (CREATED, {"object__metadata__namespace": "team-b"}),
    (CREATED, {"object__metadata__namespace": ...}),
    (CREATED, {"name": "other"}),
    (CREATED, {"name": ""}),
    (CREATED, {"name": "", "object__metadata__generateName": "../"}),
    (CREATED, {"name": "", "object__metadata__generateName": "a" * 253}),
    (CREATED, {"name": "", "object__metadata__name": "other", "object__metadata__generateName": "m-"}),
    (CREATED, {"name": "", "object__metadata__name": "m-/..", "object__metadata__generateName": "m-"}),
    (CREATED, {"oldObject": stored(instance())}),
    (UPDATED, {"oldObject": None}),
    (UPDATED, {"name": ""}),
    (UPDATED, {"name": "", "object__metadata__generateName": "minilm"}),
    (UPDATED, {"oldObject__metadata__name": "other"}),
    (UPDATED, {"oldObject__metadata__namespace": "team-b"}),
    (UPDATED, {"oldObject__metadata__uid": ""}),
    (UPDATED, {"oldObject__metadata__uid": "a/b"}),
    (UPDATED, {"oldObject__kind": "ModelTemplate"}),
    (UPDATED, {"oldObject__apiVersion": "example.com/v1"}),
    (UPDATED, {"object__kind": "Secret"}),
    (UPDATED, {"object__kind": ...}),
    (UPDATED, {"object__apiVersion": "v1"}),
    (UPDATED, {"object__apiVersion": ...}),
    (UPDATED, {"object__apiVersion": 1}),
    (CREATED, {"kind__group": "example.com"}),
    (CREATED, {"kind__group": ...}),
    (CREATED, {"kind__kind": "ModelTemplate"}),
    (CREATED, {"uid": ""}),
    (CREATED, {"uid": "\ud800"}),
    (CREATED, {"uid": "a" * 129}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "changes"), FORGED)
def test_what_it_never_sends_is_malformed(asked: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedReviewError) as refusal:
        parsed(changed(asked, **changes))
    assert "expected" in str(refusal.value)
    for value in changes.values():
        if isinstance(value, str) and len(value) > 2 and value not in ("v1", "ModelTemplate"):
            assert value not in str(refusal.value), "nothing of a review is repeated"


@pytest.mark.parametrize("namespace", ["team-a", ".."])
def test_cluster_scoped_object_has_no_namespace(namespace: str) -> None:
    forged = changed(CLUSTER, namespace=namespace, object__metadata__namespace=namespace)
    with pytest.raises(MalformedReviewError, match="cluster-scoped"):
        parsed(forged, CLUSTER_MODEL_TEMPLATES)
    with pytest.raises(MalformedReviewError, match=r"expected request\.namespace"):
        parsed(changed(CLUSTER, object__metadata__namespace=namespace), CLUSTER_MODEL_TEMPLATES)


TEXTS = st.text(max_size=8) | st.sampled_from(["minilm", "team-a", "..", "../..", ""])
PLACES = st.sampled_from(
    [
        "name",
        "namespace",
        "object__metadata__name",
        "object__metadata__namespace",
        "object__metadata__generateName",
        "oldObject__metadata__name",
        "oldObject__metadata__namespace",
    ]
)


@given(st.sampled_from([CREATED, UPDATED]), st.dictionaries(PLACES, TEXTS))
def test_what_is_read_has_one_namespace_and_one_name(asked: dict[str, Any], changes: dict[str, Any]) -> None:
    if asked is CREATED:
        changes = {path: value for path, value in changes.items() if not path.startswith("old")}
    try:
        read = parsed(changed(asked, **changes))
    except MalformedReviewError:
        return
    assert read.change is not None
    obj, old = read.change.obj["metadata"], (read.change.old or read.change.obj)["metadata"]
    assert obj["namespace"] == old["namespace"] == read.namespace
    assert obj["name"] == old["name"]
    assert not set(read.namespace + read.change.name) & set("/.%?# \n")
