"""Who created an instance, from its annotations."""

from __future__ import annotations

import pytest

from model_operator.core.status.created_by import created_by

USER, TYPE = "modeloperator.dev/created-by-user-id", "modeloperator.dev/created-by-identity-type"


@pytest.mark.parametrize(
    ("annotations", "fields"),
    [
        ({}, {}),
        ({USER: "jane", TYPE: "user"}, {"created_by_user_id": "jane", "created_by_identity_type": "user"}),
        (
            {USER: "ci", TYPE: "service_account"},
            {"created_by_user_id": "ci", "created_by_identity_type": "service_account"},
        ),
        ({USER: "jane", TYPE: "robot"}, {"created_by_user_id": "jane"}),
        ({USER: "", TYPE: ""}, {}),
    ],
)
def test_created_by(annotations: dict[str, str], fields: dict[str, str]) -> None:
    assert created_by(annotations, {}) == fields
    assert created_by(annotations, {"observedGeneration": 1}) == fields


@pytest.mark.parametrize("annotations", [{}, {USER: "mallory", TYPE: "user"}, {TYPE: "service_account"}])
@pytest.mark.parametrize(
    "reported",
    [
        {"created_by_user_id": "jane"},
        {"created_by_user_id": "jane", "created_by_identity_type": "user"},
    ],
)
def test_first_creator_that_was_reported_stays(annotations: dict[str, str], reported: dict[str, str]) -> None:
    assert created_by(annotations, {"id": "1", **reported}) == reported
