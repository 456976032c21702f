"""What is taken out of Kubernetes' words, and what is left in them."""

from __future__ import annotations

import pytest

from model_operator.core.diagnosis.kubelet_messages import normalized_message

UID = "8d239c74-204b-43c5-bdee-c27056fe75d5"
POD = {
    "metadata": {"name": "demo-699945ccf8-sqt4h", "uid": UID},
    "status": {"podIP": "10.244.0.1", "podIPs": [{"ip": "10.244.0.1"}, {"ip": "fd00::1"}]},
}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("  a   line\nand another. ", "a line and another"),
        (f'runs as root (pod: "demo-699945ccf8-sqt4h_team({UID})", container: model)', "runs as root"),
        (f"volume of pod demo-699945ccf8-sqt4h, {UID}", "volume of pod pod, …"),
        ('Get "http://10.244.0.1:80/": refused', 'Get "http://pod:80/": refused'),
        ("10.244.0.11 and 210.244.0.1 are others", "10.244.0.11 and 210.244.0.1 are others"),
        ("dial [fd00::1]:80", "dial [pod]:80"),
        ("read tcp 10.0.0.1:41234->10.0.0.2:443: timeout", "read tcp 10.0.0.2:443: timeout"),
        (f"container {'0a' * 32} is gone", "container … is gone"),
        (f"image@sha256:{'0a' * 32} is gone", f"image@sha256:{'0a' * 32} is gone"),
        ("at 2026-01-01T09:00:00.5Z or 2026-01-01 09:00:00 +0000 it failed", "at … or … it failed"),
        ("rpc error: code = Unknown desc = no space", "no space"),
        ("(combined from similar events): no space", "no space"),
        ("no such file: unknown", "no such file"),
        ("a" * 500, "a" * 400 + "…"),
        ("", ""),
    ],
)
def test_settled(said: str, told: str) -> None:
    assert normalized_message(said, POD) == told


def test_a_pod_without_a_status() -> None:
    assert normalized_message("no space", {}) == "no space"
