"""Which rights a ServiceAccount has, and which of them it has used; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one kind of object.

    Attributes
    ----------
    group, resource
        As in a rule; a subresource as ``modelinstances/status``.
    verb
        Of RBAC.
    name
        The only object that it is about; all when empty.
    """

    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        """Give it as one would say it."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind} {self.name}".rstrip()


def granted(objects: Iterable[Mapping[str, Any]]) -> set[Right]:
    """Give the rights of all Roles and ClusterRoles among some objects, one by one.

    Raises
    ------
    ValueError
        When one has a wildcard: there is nothing to compare it with.
    """
    rights = {
        Right(group, resource, verb, name)
        for obj in objects
        if obj["kind"] in ("Role", "ClusterRole")
        for rule in obj["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }
    if wild := [str(right) for right in sorted(rights) if "*" in (right.group, right.resource, right.verb)]:
        raise ValueError(f"expected no wildcards, got {', '.join(wild)}")
    return rights


def unused(rights: Iterable[Right], requests: Iterable[Mapping[str, Any]]) -> set[Right]:
    """Give the rights that no request has needed.

    Parameters
    ----------
    rights
        What there is.
    requests
        As `tests.cluster.audit.audit_events` gives them, of the one account, that were not refused.
    """
    left = set(rights)
    for request in requests:
        # An apply of what is not there asks for the right to create, too, and answers Created.
        verbs = [request["verb"]]
        if request["verb"] == "patch" and request["code"] == 201:
            verbs.append("create")
        for verb in verbs:
            for name in ("", request["name"]):
                left.discard(Right(request["group"], request["resource"], verb, name))
    return left


def refused(requests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the requests that were refused for want of a right.

    403 is also how Pod Security answers, of which cluster templates take no notice.
    """
    forbidden = [request for request in requests if request["code"] == 403]
    return [request for request in forbidden if "violates PodSecurity" not in request["message"]]
