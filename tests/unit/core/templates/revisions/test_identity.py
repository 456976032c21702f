"""The identity of what a template specifies, the objects that keep it, and which one an instance runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api import ModelInstance, ModelTemplateSpec
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.assignment import (
    Assigned,
    NoRevisions,
    assign,
    assign_revision,
)
from model_operator.core.templates.revisions.identity import (
    UNREVISIONED,
    content_hash,
    revision_hash,
    revision_of,
    revisioned_spec,
)
from model_operator.core.templates.revisions.objects import read_revision, revision_object
from model_operator.core.values.merge_patch import merge_patch
from tests.unit.core.values.rfc7386 import apply_merge_patch

HERE = Path(__file__).parent
TEMPLATE: dict[str, Any] = yaml.safe_load((HERE.parents[1] / "template.yaml").read_text())
HASHES = yaml.safe_load((HERE / "hashes.yaml").read_text())


def edited(**change: Any) -> dict[str, Any]:
    """Return the template with an edited specification; null values in it are kept."""
    return {**TEMPLATE, "spec": {**copy.deepcopy(TEMPLATE["spec"]), **change}}


@pytest.mark.parametrize("case", HASHES, ids=lambda case: case["about"].replace(" ", "_"))
def test_hashes_stay_as_they_are(case: dict[str, Any]) -> None:
    """Pins in Git name them: another hash for the same template is a breaking change."""
    for spec in case["specs"]:
        assert revision_hash(spec) == case["hash"]


@pytest.mark.parametrize("name", sorted(UNREVISIONED))
def test_what_concerns_no_model_makes_no_revision(name: str) -> None:
    values = {"revision_history_limit": 3, "rollout": {"paused": True}, "allowed_namespaces": {"from": "All"}}
    value = values.get(name, "other")
    assert name in ModelTemplateSpec.model_fields
    assert revision_of(edited(**{name: value})) == revision_of(TEMPLATE)


@pytest.mark.parametrize("field", sorted(ModelTemplateSpec.model_fields.keys() - UNREVISIONED))
def test_what_concerns_models_makes_a_revision(field: str) -> None:
    spec = copy.deepcopy(TEMPLATE["spec"])
    spec[field] = {"x": 1} if field != "vendor_configuration" else {"bundle_config": {"tag": "2.0"}}
    if field in ("strategy", "pod_template", "service", "metadata"):
        known = {"strategy": "type", "pod_template": "spec", "service": "scheme", "metadata": "labels"}
        spec[field] = {known[field]: {"x": "1"}}
    assert revision_hash(spec) != revision_hash(TEMPLATE["spec"])


def test_labels_annotations_and_the_name_play_no_part() -> None:
    other = {**TEMPLATE, "metadata": {"name": "other", "labels": {"a": "b"}, "annotations": {"c": "d"}}}
    assert revision_of(other).hash == revision_of(TEMPLATE).hash
    assert revision_of(other).name == f"other-{revision_of(TEMPLATE).hash}"


@given(st.randoms(use_true_random=False))
def test_order_nulls_and_unknown_fields_play_no_part(random: Any) -> None:
    def disturbed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        items = [(key, disturbed(item)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)

    spec = disturbed(TEMPLATE["spec"]) | {"strategy": None, "endpoint_protocol": None, "unknown": 1}
    assert revision_hash(spec) == revision_hash(TEMPLATE["spec"])


def test_the_shortest_form_is_its_own_and_says_the_same() -> None:
    shortest = revisioned_spec(TEMPLATE["spec"])
    assert revisioned_spec(shortest) == shortest
    assert content_hash(shortest) == revision_hash(TEMPLATE["spec"])
    assert ModelTemplateSpec.model_validate(shortest) == ModelTemplateSpec.model_validate(TEMPLATE["spec"])


def test_nulls_of_open_parts_are_values() -> None:
    schema = {"type": "object", "properties": {"A": {"default": None}}}
    with_null = edited(model_creation_parameters_schema=schema)
    schema = {"type": "object", "properties": {"A": {}}}
    assert revision_of(with_null) != revision_of(edited(model_creation_parameters_schema=schema))


def test_a_revision_is_read_as_the_template_that_it_was_made_of() -> None:
    template = parse_template(TEMPLATE)
    found = read_revision(revision_object(TEMPLATE, 7), template.resource)

    assert found is not None
    assert found.revision == template.revision == revision_of(TEMPLATE).hash
    assert (found.resource.spec, found.violations) == (template.resource.spec, ())
    assert found.resource.metadata.uid == TEMPLATE["metadata"]["uid"]


def test_a_revision_has_the_metadata_of_the_template_as_it_is_now() -> None:
    kept = revision_object(TEMPLATE, 1)
    now = {**TEMPLATE, "metadata": {**TEMPLATE["metadata"], "uid": "u9", "generation": 9}}

    found = read_revision(kept, parse_template(now).resource)

    assert found is not None
    assert (found.resource.metadata.uid, found.resource.metadata.generation) == ("u9", 9)


def test_one_from_a_file_has_neither_owner_nor_number() -> None:
    written = {**TEMPLATE, "metadata": {"name": "embed"}}
    kept = revision_object(written)
    assert "ownerReferences" not in kept["metadata"]
    assert kept["spec"].keys() == {"template", "hash", "template_spec"}
    assert kept["spec"]["template"] == {"kind": "ModelTemplate", "name": "embed"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"spec": {"template_spec": {"endpoint_type": "BATCH"}}}, id="other content"),
        pytest.param({"spec": {"hash": "0" * 12}}, id="other hash"),
        pytest.param({"metadata": {"name": "embed-000000000000"}}, id="other name"),
        pytest.param({"spec": {"template": {"name": "other"}}}, id="of another template"),
        pytest.param({"spec": {"template": {"kind": "ClusterModelTemplate"}}}, id="of another kind"),
        pytest.param({"kind": "ClusterModelTemplateRevision"}, id="of the other kind"),
        pytest.param({"metadata": {"namespace": "elsewhere"}}, id="in another namespace"),
        pytest.param({"spec": {"template_spec": None}}, id="no content"),
        pytest.param({"spec": "none"}, id="no object"),
    ],
)
def test_a_forged_revision_is_none(change: dict[str, Any]) -> None:
    forged = apply_merge_patch(revision_object(TEMPLATE, 1), change)
    assert read_revision(forged, parse_template(TEMPLATE).resource) is None


def test_a_revision_too_deep_to_be_read_is_none() -> None:
    deep: Any = {}
    for _ in range(2000):
        deep = {"a": deep}
    kept = revision_object(TEMPLATE, 1)
    kept["spec"]["template_spec"]["pod_template"] = deep
    assert read_revision(kept, parse_template(TEMPLATE).resource) is None


class Stored:
    """Revisions of one template, the latest one last."""

    def __init__(self, *templates: CompiledTemplate) -> None:
        self.templates = {each.revision: each for each in templates}

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        del template
        return next(reversed(self.templates.values()), None)

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        del template
        return self.templates.get(revision)

    def stable(self, template: CompiledTemplate) -> str:
        del template
        return ""


FIRST, SECOND = parse_template(TEMPLATE), parse_template(edited(endpoint_type="BATCH"))
BROKEN = parse_template(edited(model_creation_parameters_schema={"type": "array"}))


def instance(revision: str | None) -> ModelInstance:
    pin = {} if revision is None else {"model_template_revision": revision}
    return ModelInstance.model_validate(
        {"metadata": {"name": "demo", "namespace": "team"}, "spec": {"model_template_id": "embed", **pin}}
    )


@pytest.mark.parametrize("pin", [None, "latest"])
def test_an_instance_follows_the_latest_valid_revision(pin: str | None) -> None:
    stored = Stored(FIRST, SECOND)
    for now in (SECOND, BROKEN, FIRST):
        assert assign_revision(instance(pin), now, stored) == Assigned(SECOND, SECOND.revision)


def test_an_instance_stays_at_the_revision_that_it_names() -> None:
    assert assign_revision(instance(FIRST.revision), SECOND, Stored(FIRST, SECOND)) == Assigned(
        FIRST, SECOND.revision
    )


def test_a_missing_revision_leaves_the_latest_one_which_is_not_the_one_that_is_named() -> None:
    found = assign_revision(instance("0" * 12), SECOND, Stored(FIRST, SECOND))
    assert found == Assigned(SECOND, SECOND.revision)


def test_without_revisions_the_template_is_followed_as_it_is() -> None:
    assert assign_revision(instance(None), FIRST, NoRevisions()) == Assigned(FIRST, FIRST.revision)
    assert assign_revision(instance(FIRST.revision), FIRST, NoRevisions()) == Assigned(FIRST, FIRST.revision)
    assert assign_revision(instance(None), BROKEN, NoRevisions()) == Assigned(BROKEN, "")


class _Templates:
    def by_name(self, *_: Any) -> None:
        return None

    def by_uid(self, uid: str) -> None:
        del uid

    def labels_of(self, namespace: str) -> None:
        del namespace


def test_no_template_has_no_revision() -> None:
    assert assign(instance(None), _Templates(), NoRevisions()) == Assigned()


def test_the_stored_form_is_json() -> None:
    kept = revision_object(TEMPLATE, 1)
    assert merge_patch(json.loads(json.dumps(kept)), kept) == {}
