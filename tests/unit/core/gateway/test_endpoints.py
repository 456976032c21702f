"""Which addresses of which slices count."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.gateway.balancing import Address
from model_operator.core.gateway.endpoints import EndpointTable, addresses_of, is_routable, service_of
from tests.unit.core.gateway.objects import endpoint_slice

KEY = ("team-a", "qwen")


def at(host: str, port: int = 5005) -> Address:
    return Address(host, port, f"pod-{host}")


def test_the_addresses_of_all_slices_of_a_service() -> None:
    table = EndpointTable()
    assert table.put(endpoint_slice("qwen", "10.0.0.1", "10.0.0.2")) == {KEY}
    assert table.put(endpoint_slice("qwen", "10.0.0.2", "10.0.0.3", name="second")) == {KEY}
    assert table.addresses(KEY, "http") == {at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")}

    assert table.remove("team-a", "qwen-abc") == {KEY}
    assert table.addresses(KEY, "http") == {at("10.0.0.2"), at("10.0.0.3")}
    assert table.remove("team-a", "second") == {KEY}
    assert table.addresses(KEY, "http") == set()
    assert table.remove("team-a", "second") == set()


def test_namespaces_are_apart() -> None:
    table = EndpointTable()
    table.put(endpoint_slice("qwen", "10.0.0.1"))
    table.put(endpoint_slice("qwen", "10.0.0.9", namespace="team-b"))
    assert table.addresses(KEY, "http") == {at("10.0.0.1")}
    assert table.addresses(("team-b", "qwen"), "http") == {at("10.0.0.9")}


def test_a_slice_that_changes_its_service_counts_for_the_new_one_alone() -> None:
    table = EndpointTable()
    table.put(endpoint_slice("qwen", "10.0.0.1"))
    assert table.put(endpoint_slice("other", "10.0.0.1")) == {KEY, ("team-a", "other")}
    assert table.addresses(KEY, "http") == set()


@pytest.mark.parametrize(
    ("conditions", "counts"),
    [
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": True}, True),
        ({}, True),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": True, "terminating": True}, False),
        ({"ready": False}, False),
        ({"ready": True, "serving": False}, False),
    ],
)
def test_which_endpoints_are_ready(conditions: dict[str, Any], counts: bool) -> None:
    listed = {"addresses": ["10.0.0.1"], "conditions": conditions}
    assert bool(addresses_of(endpoint_slice("qwen", endpoints=[listed]))["http"]) is counts


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1.2.3",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "0.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "example.org",
        "",
    ],
)
def test_addresses_that_are_no_worker(host: str) -> None:
    assert not is_routable(host)
    assert addresses_of(endpoint_slice("qwen", host)) == {"http": set()}


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "2001:db8::1"])
def test_addresses_of_workers(host: str) -> None:
    assert is_routable(host)


def test_each_port_has_the_addresses_with_its_number() -> None:
    ports = [{"name": "metrics", "port": 9000}, {"name": "api", "port": 8000}]
    assert addresses_of(endpoint_slice("qwen", "10.0.0.1", ports=ports)) == {
        "metrics": {at("10.0.0.1", 9000)},
        "api": {at("10.0.0.1", 8000)},
    }
    assert addresses_of(endpoint_slice("qwen", "10.0.0.1", ports=[])) == {}
    assert addresses_of(endpoint_slice("qwen", "10.0.0.1", ports=[{"port": 53, "protocol": "UDP"}])) == {}
    assert addresses_of(endpoint_slice("qwen", "10.0.0.1", ports=[{"name": "named", "port": None}])) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": {}},
        {"labels": {"kubernetes.io/service-name": "qwen", "app.kubernetes.io/managed-by": "model-operator"}},
        {"ownerReferences": []},
        {"ownerReferences": [{"kind": "Service", "name": "other", "controller": True}]},
        {"ownerReferences": [{"kind": "Pod", "name": "qwen", "controller": True}]},
        {"ownerReferences": [{"kind": "Service", "name": "qwen"}]},
    ],
)
def test_a_slice_that_a_person_made_counts_for_nothing(changed: dict[str, Any]) -> None:
    written = endpoint_slice("qwen", "10.0.0.1")
    written["metadata"] = {**written["metadata"], **changed}
    assert service_of(written) is None
    table = EndpointTable()
    assert table.put(written) == set()
    assert table.addresses(KEY, "http") == set()


def test_fqdn_slices_are_left_out() -> None:
    assert addresses_of(endpoint_slice("qwen", "10.0.0.1", addressType="FQDN")) == {}
