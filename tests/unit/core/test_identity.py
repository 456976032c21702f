"""Who created an instance, from its annotations."""

from __future__ import annotations

import pytest

from model_operator.core.identity import created_by

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
    assert created_by(annotations) == fields
