"""Values of Secrets and literal credentials never reach the output."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.offline.conversion.credentials import is_credential
from model_operator.core.offline.conversion.notes import Topic
from tests.unit.core.offline.conversion.conversions import bundle, child, converted, deployment

HIDDEN = "hunter2-is-hidden"
TOKEN = "hf_" + "aB3" * 8


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HF_TOKEN", "anything", True),
        ("OPENAI_API_KEY", "x1", True),
        ("DB_PASSWORD", "12345", True),
        ("AWS_SECRET_ACCESS_KEY", "abc", True),
        ("--api-key", "abc", True),
        ("URL", "postgres://user:secret@db/x", True),
        ("ANY", TOKEN, True),
        ("ANY", "-----BEGIN PRIVATE KEY-----", True),
        ("MAX_TOKENS", "4096", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("TOKENIZER", "bert-base", False),
        ("EOS_TOKEN", "</s>", False),
        ("HF_TOKEN_PATH", "/secrets/token", False),
        ("HF_TOKEN", "/run/secrets/token", False),
        ("HF_TOKEN", "$(OTHER)", False),
        ("HF_TOKEN", "", False),
        ("PARTITION_KEY", "a", False),
        ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", False),
        ("URL", "http://host:8080/path", False),
    ],
)
def test_what_looks_like_a_credential(name: str, value: str, expected: bool) -> None:
    assert is_credential(name, value) is expected


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "API_TOKEN", "value": HIDDEN}]},
        {"args": ["--api-key", HIDDEN]},
        {"args": [f"--api-key={HIDDEN}"]},
        {
            "command": ["sh", "-c"],
            "args": [f'exec vllm serve a/b --trust-remote-code --api-key "{HIDDEN}"; true'],
        },
        {"command": ["sh", "-c", f"export DB_PASSWORD={HIDDEN} && serve --port 80"]},
        {"args": [f"--database=postgres://u:{HIDDEN}@db/x"]},
        {
            "readinessProbe": {
                "httpGet": {
                    "path": "/",
                    "port": 8080,
                    "httpHeaders": [{"name": "Authorization", "value": HIDDEN}],
                }
            }
        },
    ],
)
@pytest.mark.parametrize("is_model", [True, False])
def test_a_literal_credential_becomes_a_reference(container: Any, is_model: bool) -> None:
    if is_model:
        found = converted(deployment(container=container))
    else:
        sidecar = {"name": "side", "image": "x/side:1", **container}
        model = {"name": "model", "image": "x/model:1", "ports": [{"containerPort": 1}]}
        found = converted(deployment(pod={"containers": [model, sidecar]}))

    assert found.is_valid, [str(each) for each in found.findings]
    everything = f"{found.text(with_instance=True)}{found.notes}{found.children}{found.findings}"
    assert HIDDEN not in everything
    assert [note for note in found.notes if note.topic is Topic.CREDENTIAL]


def test_the_argument_reads_the_variable_of_the_secret() -> None:
    found = converted(deployment(container={"command": ["serve"], "args": ["--api-key", HIDDEN]}))

    assert bundle(found)["args"] == ["--api-key", "$(API_KEY)"]
    (container,) = child(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    reference = {"secretKeyRef": {"name": "chat-credentials", "key": "API_KEY"}}
    assert {"name": "API_KEY", "valueFrom": reference} in container["env"]


def test_a_secret_of_the_stream_is_named_only() -> None:
    secret = (
        f"kind: Secret\nmetadata: {{name: tokens}}\nstringData: {{a: {HIDDEN}}}\ndata: {{b: aHVudGVyMg==}}"
    )
    annotated = deployment().replace("labels:", f"annotations: {{key: {TOKEN}}}\n      labels:", 1)
    found = converted(f"{annotated}\n---\n{secret}")

    output = found.text(with_instance=True)
    assert "#   Secret tokens" in output
    for value in (HIDDEN, "aHVudGVyMg==", TOKEN):
        assert value not in output


def test_a_reference_to_a_secret_stays_one() -> None:
    source = {"secretKeyRef": {"name": "tokens", "key": "hf"}}
    found = converted(deployment(container={"env": [{"name": "HF_TOKEN", "valueFrom": source}]}))

    (container,) = found.template["spec"]["pod_template"]["spec"]["containers"]
    assert container["env"] == [{"name": "HF_TOKEN", "valueFrom": source}]
    assert not [note for note in found.notes if note.topic is Topic.CREDENTIAL]
