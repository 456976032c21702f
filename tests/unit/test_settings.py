"""Settings from options and environment variables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from model_operator.core.templates.render_settings import CaBundle
from model_operator.settings import LeaderElection, LogFormat, LogLevel, OperatorSettings
from tests.cluster.processes import REPOSITORY


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MODEL_OPERATOR_")]:
        monkeypatch.delenv(name)


def test_defaults() -> None:
    settings = OperatorSettings()

    assert settings.namespaces == []
    assert (settings.log_format, settings.log_level) == (LogFormat.CONSOLE, LogLevel.INFO)
    assert settings.kubeconfig is None


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "NAMESPACES": "team-a, team-b,,",
        "EXCLUDE_NAMESPACES": "kube-*",
        "KUBECONFIG": "/etc/kubeconfig",
        "LOG_FORMAT": "json",
        "WORKERS": "4",
        "RENDERING__GPU_NODE_LABEL": "cloud.google.com/gke-accelerator",
        "RENDERING__RUN_AS_NON_ROOT": "true",
        "ADMISSION__PORT": "9443",
        "ADMISSION__WARN_ONLY_USERS": "system:serviceaccount:ci:*, alice",
        "RENDERING__FREE_METADATA_DOMAINS": "corp.io, ml.corp.dev",
        "OF_A_LATER_VERSION": "x",
    }.items():
        monkeypatch.setenv(f"MODEL_OPERATOR_{name}", value)

    settings = OperatorSettings()

    assert settings.namespaces == ["team-a", "team-b"]
    assert settings.exclude_namespaces == ["kube-*"]
    assert settings.kubeconfig == Path("/etc/kubeconfig")
    assert settings.log_format is LogFormat.JSON
    assert settings.workers == 4
    assert settings.rendering.gpu_node_label == "cloud.google.com/gke-accelerator"
    assert settings.rendering.run_as_non_root is True
    assert settings.rendering.free_metadata_domains == ("corp.io", "ml.corp.dev")
    assert settings.admission.port == 9443
    assert settings.admission.warn_only_users == ["system:serviceaccount:ci:*", "alice"]


def test_options_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_NAMESPACES", "from-environment")

    assert OperatorSettings(namespaces=["from-option"]).namespaces == ["from-option"]


def test_option_leaves_the_other_settings_of_admission_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_ADMISSION__PORT", "1")
    monkeypatch.setenv("MODEL_OPERATOR_ADMISSION__HOST", "127.0.0.1")

    admission = OperatorSettings.model_validate({"admission": {"port": 2}}).admission

    assert (admission.port, admission.host) == (2, "127.0.0.1")
    assert "system:serviceaccount:flux-system:kustomize-controller" in admission.warn_only_users


def test_values_of_the_gpu_label_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_RENDERING__GPU_NODE_VALUES", '{"nvidia-tesla-t4": "T4"}')

    assert OperatorSettings().rendering.gpu_node_values == {"nvidia-tesla-t4": "T4"}


def test_accelerators_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting of docs/settings.md."""
    document = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    given = yaml.safe_load(document.split("```yaml\n")[-1].split("```")[0])
    for name, value in {**given, "MODEL_OPERATOR_RENDERING__GPU_RESOURCE": "example.com/gpu"}.items():
        monkeypatch.setenv(name, value)

    rendering = OperatorSettings().rendering

    tpu = rendering.accelerators["tpu-v5e"]
    assert (tpu.resource, len(tpu.node_labels or ()), len(tpu.tolerations)) == ("google.com/tpu", 2, 1)
    assert rendering.accelerators["nvidia-l4"].resource is None
    mapped = {"nvidia.com/mig-1g.5gb", "amd.com/gpu", "google.com/tpu"}
    assert rendering.gpu_resources == {"nvidia.com/gpu", "example.com/gpu", *mapped}


def test_variables_proxy_and_ca_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of docs/settings.md."""
    document = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    section = document.partition("### Variables, proxy and CA bundle")[2]
    given = yaml.safe_load(section.split("```yaml\n")[1].split("```")[0])
    for name, value in {**given, "MODEL_OPERATOR_RENDERING__DEFAULT_CPUS": ""}.items():
        monkeypatch.setenv(name, value)

    rendering = OperatorSettings().rendering

    assert rendering.env["HF_ENDPOINT"] == "https://hub.example.com"
    assert (rendering.http_proxy, rendering.https_proxy) == ("", "http://proxy.example.com:3128")
    assert rendering.ca_bundle == CaBundle(config_map="corporate-ca", key="ca-bundle.crt")
    assert (rendering.default_cpus, rendering.default_memory) == ("", "8Gi")


def test_tolerations_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    given = '[{"key": "spot", "operator": "Exists"}, {"effect": "NoExecute", "tolerationSeconds": 60}]'
    monkeypatch.setenv("MODEL_OPERATOR_RENDERING__TOLERATIONS", given)
    monkeypatch.setenv("MODEL_OPERATOR_RENDERING__GPU_TOLERATIONS", "[]")

    rendering = OperatorSettings().rendering

    assert [each.to_dict() for each in rendering.tolerations] == json.loads(given)
    assert rendering.gpu_tolerations == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RENDERING__GPU_NODE_VALUES", "{"),
        ("RENDERING__ACCELERATORS", '{"nvidia-l4": "L4"}'),
        ("RENDERING__ACCELERATORS", '{"nvidia-l4": {"resources": "nvidia.com/gpu"}}'),
        ("RENDERING__ACCELERATORS", '{"nvidia-l4": {"resource": "gpu"}}'),
        ("RENDERING__GPU_RESOURCE", "gpu"),
        ("RENDERING__TOLERATIONS", '{"key": "spot"}'),
        ("RENDERING__TOLERATIONS", '[{"key": "spot", "effekt": "NoSchedule"}]'),
        ("RENDERING__GPU_TOLERATIONS", '[{"key": "spot", "effect": "Never"}]'),
        ("RENDERING__DEFAULT_MEMORY", "8 GB"),
        ("RENDERING__ENV", '{"1ST": "a"}'),
        ("RENDERING__ENV", '{"FIRST": 1}'),
        ("RENDERING__CA_BUNDLE", "corporate-ca"),
        ("RENDERING__CA_BUNDLE", "{}"),
        ("RENDERING__CA_BUNDLE", '{"config_map": "a", "secret": "b"}'),
        ("RENDERING__CA_BUNDLE", '{"configmap": "a"}'),
        ("WORKERS", "0"),
        ("WORKERS", "many"),
        ("LOG_LEVEL", "loud"),
        ("HEALTH_PORT", "65536"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("RESYNC_SECONDS", "1"),
    ],
)
def test_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MODEL_OPERATOR_{name}", value)

    with pytest.raises(ValidationError):
        OperatorSettings()


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError):
        OperatorSettings.model_validate({"namespace": "team"})


@pytest.mark.parametrize(
    ("lease", "message"),
    [
        ({"duration_seconds": 10}, "must be more than renew_deadline_seconds, 10; got 10"),
        ({"retry_period_seconds": 6}, "must be at least twice retry_period_seconds"),
        ({"retry_period_seconds": 0}, "greater than 0"),
        ({"duration_seconds": 15.5}, "valid integer"),
        ({"name": "Not/a/name"}, "match pattern"),
    ],
)
def test_times_of_the_lease_that_would_let_two_lead(lease: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OperatorSettings.model_validate({"lease": lease})


def test_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_LEADER_ELECTION", "on")
    monkeypatch.setenv("MODEL_OPERATOR_LEASE__NAME", "team-a")
    monkeypatch.setenv("MODEL_OPERATOR_LEASE__DURATION_SECONDS", "60")

    settings = OperatorSettings()

    assert settings.leader_election is LeaderElection.ON
    assert (settings.lease.name, settings.lease.namespace) == ("team-a", None)
    lease = settings.lease
    times = (lease.duration_seconds, lease.renew_deadline_seconds, lease.retry_period_seconds)
    assert times == (60, 10, 2)
