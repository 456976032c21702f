"""Where the operator runs, and by which names its webhooks may be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_operator.controller.webhooks.certificate import ServingCertificate
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import StartupError
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.namespace import own_namespace


def test_own_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "namespace"
    monkeypatch.setattr("model_operator.kube.namespace.NAMESPACE_FILE", file)
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    with pytest.raises(StartupError, match="own namespace is unknown: set POD_NAMESPACE"):
        own_namespace()
    file.write_text("from-file")
    assert own_namespace() == "from-file"
    monkeypatch.setenv("POD_NAMESPACE", "from-environment")
    assert own_namespace() == "from-environment"
    assert own_namespace("from-settings") == "from-settings"


@pytest.mark.parametrize("name", ["webhooks.example.com", "127.0.0.1", "::1"])
def test_more_names(name: str) -> None:
    ServingCertificate(_client(), "models", extra_names=[name])


def test_a_name_that_no_certificate_can_have() -> None:
    with pytest.raises(StartupError, match="not valid in a certificate: expected an IP address or an"):
        ServingCertificate(_client(), "models", extra_names=["größe"])


def _client() -> ApiClient:
    return ApiClient(Connection(ClusterConfiguration, 1))
