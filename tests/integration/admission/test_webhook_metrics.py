"""What the webhooks' metrics say after people have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.cluster.kube_api import KubeApiError
from tests.cluster.scrape import by, number
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from tests.fixtures.admission import Admission


def test_decisions_and_certificate(private_admission: Admission) -> None:
    private_admission.start()
    operator = private_admission.operator
    assert operator is not None
    wrong = {"MODEL_NAME": 7}
    for api in (private_admission.deny, private_admission.warn):
        api.create(template())
    private_admission.deny.create(instance())
    private_admission.warn.create(instance("let-in", model_creation_parameters=wrong))
    for number_of_tries in range(2):
        with pytest.raises(KubeApiError):
            private_admission.deny.create(
                instance(f"refused-{number_of_tries}", model_creation_parameters=wrong)
            )

    def counted() -> bool:
        decisions = "webhook_decisions_total"
        deny, warn = "/validate-modelinstance/deny", "/validate-modelinstance/warn"
        assert by(operator, decisions, "decision", webhook=deny) == {"allowed": 1, "denied": 2}
        assert by(operator, decisions, "decision", webhook=warn) == {"warned": 1}
        assert by(operator, decisions, "webhook", decision="failed") == {}
        requests = by(operator, "webhook_requests_total", "webhook", code="200")
        assert (requests[deny], requests[warn]) == (3, 1)
        assert by(operator, "webhook_request_duration_seconds_count", "webhook") == requests
        return True

    wait_for(counted)
    certificate = x509.load_pem_x509_certificate((private_admission.certificates / "tls.crt").read_bytes())
    expires = number(operator, "webhook_certificate_expiration_timestamp_seconds")
    assert expires == certificate.not_valid_after_utc.timestamp()
