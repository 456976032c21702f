"""Each file of valid/ and invalid/: what the API server answers with the webhooks on, and what the reconciler
reports with them off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model_operator.core.values.violations import format_loc
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.examples.admission.cases import Case, load, templates
from tests.examples.objects import ready

if TYPE_CHECKING:
    from tests.fixtures.admission import Admission


@pytest.mark.parametrize("case", load("invalid"), ids=str)
def test_denied(admission: Admission, case: Case) -> None:
    with pytest.raises(KubeApiError) as refusal:
        admission.api.create(case.object, dry_run=True)

    error = refusal.value
    assert (error.code, error.reason) == (422, "Invalid")
    assert tuple(f"{cause['field']}: {cause['message']}" for cause in error.causes) == case.violations
    webhook = f"{case.kind.lower()}s.modeloperator.dev"
    beginning = f'admission webhook "{webhook}" denied the request: {case.kind} "{case}" is invalid:'
    assert error.message.startswith(beginning)


@pytest.mark.parametrize("case", load("valid"), ids=str)
def test_admitted(admission: Admission, case: Case) -> None:
    admission.api.create(case.object, dry_run=True)


@pytest.mark.usefixtures("operator")
def test_reconciler_says_the_same_without_webhooks(api: KubeApi) -> None:
    cases = load("invalid")
    for obj in [*templates(), *(case.object for case in cases)]:
        api.create(obj)

    for case in cases:
        if case.kind == "ModelInstance":
            obj = api.wait_for_condition("ModelInstance", str(case), "Ready", "False")
            errors = obj["status"]["validation_errors"]
            said = tuple(f"{format_loc(tuple(error['loc']))}: {error['msg']}" for error in errors)
            assert said == case.violations[:10]
        else:
            obj = api.wait_for_condition(case.kind, str(case), "Ready", "False", reason="TemplateInvalid")
            assert ready(obj)["message"].startswith("; ".join(case.violations))
