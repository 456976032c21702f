"""The addresses of the workers of each deployment, from EndpointSlices.

A request carries a caller's data, so an address counts only if the endpoint slice controller took it from the
Service of the same name: people may write slices and Services, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from model_operator.core.gateway.balancing import Address
from model_operator.core.objects.ownership import MANAGED_BY, MANAGER

SLICE_MANAGER_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
SLICE_MANAGER: Final = "endpointslice-controller.k8s.io"
SERVICE_LABEL: Final = "kubernetes.io/service-name"
SELECTOR: Final = f"{MANAGED_BY}={MANAGER},{SLICE_MANAGER_LABEL}={SLICE_MANAGER}"
"""Label selector of the slices: the controller copies the labels of a Service to its slices."""
_THIS_NETWORK: Final = ip_network("0.0.0.0/8")
_ADDRESS_TYPES: Final = frozenset({"IPv4", "IPv6"})

Key = tuple[str, str]
"""Namespace and name of a Service, which are those of the Deployment."""


class EndpointTable:
    """The addresses of ready workers by Service and port."""

    def __init__(self) -> None:
        self._slices: defaultdict[Key, dict[str, Mapping[str, frozenset[Address]]]] = defaultdict(dict)
        self._services: dict[Key, Key] = {}

    def put(self, endpoint_slice: Mapping[str, Any]) -> set[Key]:
        """Take the newest version of a slice; return the Services whose addresses may have changed."""
        metadata = endpoint_slice["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        changed = self.remove(namespace, name)
        service = service_of(endpoint_slice)
        if service is not None:
            self._services[namespace, name] = namespace, service
            self._slices[namespace, service][name] = addresses_of(endpoint_slice)
            changed.add((namespace, service))
        return changed

    def remove(self, namespace: str, name: str) -> set[Key]:
        """Forget a slice; return the Service whose addresses have changed."""
        key = self._services.pop((namespace, name), None)
        if key is None:
            return set()
        slices = self._slices[key]
        slices.pop(name, None)
        if not slices:
            del self._slices[key]
        return {key}

    def addresses(self, key: Key, port: str) -> frozenset[Address]:
        """Return the addresses of a port of a Service.

        A worker that moves between slices is in both for a moment.
        """
        slices = self._slices.get(key, {}).values()
        return frozenset().union(*(each.get(port, frozenset()) for each in slices))


def service_of(endpoint_slice: Mapping[str, Any]) -> str | None:
    """Return the Service of a slice; None when its controller did not make it, or its Service is not ours."""
    metadata = endpoint_slice["metadata"]
    labels = metadata.get("labels") or {}
    if labels.get(SLICE_MANAGER_LABEL) != SLICE_MANAGER or labels.get(MANAGED_BY) != MANAGER:
        return None
    service = labels.get(SERVICE_LABEL)
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("controller")]
    is_owner = any(each.get("kind") == "Service" and each.get("name") == service for each in owners)
    return str(service) if service and is_owner else None


def addresses_of(endpoint_slice: Mapping[str, Any]) -> dict[str, frozenset[Address]]:
    """Return the addresses of a slice that may get requests now, by the name of the port.

    By KEP-1672: endpoints that are ready; a terminating one is not. One that has no such condition counts as
    ready.
    """
    if endpoint_slice.get("addressType") not in _ADDRESS_TYPES:
        return {}
    hosts = []
    for endpoint in endpoint_slice.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        is_ready = conditions.get("ready") is not False and conditions.get("serving") is not False
        addresses = endpoint.get("addresses") or ()
        if not is_ready or conditions.get("terminating") is True or not addresses:
            continue
        host = str(addresses[0])
        if is_routable(host):
            hosts.append((host, str((endpoint.get("targetRef") or {}).get("uid") or "")))
    return {
        str(port.get("name") or ""): frozenset(Address(host, port["port"], uid) for host, uid in hosts)
        for port in endpoint_slice.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP" and isinstance(port.get("port"), int)
    }


def is_routable(host: str) -> bool:
    """Return whether an address may be a worker's.

    Never one that is loopback, link-local (as the metadata services of clouds are), multicast, reserved or
    unspecified.
    """
    try:
        address = ip_address(host)
        # ::ffff:127.0.0.1 is 127.0.0.1.
        address = getattr(address, "ipv4_mapped", None) or address
    except ValueError:
        return False
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address in _THIS_NETWORK
    )
