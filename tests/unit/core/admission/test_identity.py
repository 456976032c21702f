"""Who created an instance, as examples and as properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.admission.change import Change
from model_operator.core.admission.identity import creator, review_creator
from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER
from tests.unit.core.admission.json_patch import patched

EXAMPLES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("identities.yaml").read_text())


def _instance(annotations: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "demo"}
    if isinstance(annotations, dict):
        metadata["annotations"] = annotations
    return {"kind": "ModelInstance", "metadata": metadata, "spec": {}}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["it"])
def test_examples(example: dict[str, Any]) -> None:
    obj = _instance(example["given"])
    old = None if example["old"] is None else _instance(example["old"])

    verdict = review_creator(Change(obj, old), example["user"])

    assert verdict.allowed
    assert patched(obj, verdict.patch)["metadata"]["annotations"] == example["result"]
    assert bool(verdict.warnings) == example.get("told", False)


def test_creator_of_what_is_being_deleted_stays() -> None:
    old = _instance({CREATED_BY_USER: "alice", CREATED_BY_TYPE: "user"})
    new = _instance({CREATED_BY_USER: "mallory", CREATED_BY_TYPE: "user"})
    for obj in (old, new):
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    result = patched(new, review_creator(Change(new, old), "mallory").patch)
    assert result["metadata"]["annotations"] == old["metadata"]["annotations"]


written_annotations = st.none() | st.dictionaries(
    st.sampled_from([CREATED_BY_USER, CREATED_BY_TYPE, "a/b~c"]), st.sampled_from(["alice", "user", ""])
)


@given(
    written_annotations,
    st.none() | st.tuples(written_annotations),
    st.sampled_from(["alice", "system:serviceaccount:a:b"]),
)
def test_whatever_is_written_the_creator_stays(
    written: dict[str, str] | None, before: tuple[dict[str, str] | None] | None, user: str
) -> None:
    obj = _instance(written)
    old = None if before is None else _instance(before[0])

    result = patched(obj, review_creator(Change(obj, old), user).patch)

    kept = result["metadata"].get("annotations", {})
    told = {key: kept[key] for key in (CREATED_BY_USER, CREATED_BY_TYPE) if key in kept}
    was = ((before[0] if before else None) or {}).items()
    assert told == (creator(user) if before is None else {key: value for key, value in was if key != "a/b~c"})
    assert kept.get("a/b~c") == (written or {}).get("a/b~c")
    assert review_creator(Change(result, old), user).patch == ()
