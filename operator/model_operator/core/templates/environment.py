"""The environment of the model container, merged from pod template, bundle and parameters.

Variables merge by name. A variable of the bundle replaces that of the pod template at the same position, and
a parameter replaces either. New variables of the bundle follow those of the pod template, sorted by name. New
variables of parameters come first, sorted by name, so that every other variable can mention them. At last,
each variable follows those that it mentions: the kubelet expands only earlier variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.references import text_form

_MENTION = re.compile(r"\$\$|\$\(([^)]*)\)")


def layer_environment(container: dict[str, Any], env: Mapping[str, str]) -> None:
    """Merge the bundle's variables into a container.

    Parameters
    ----------
    container
        A container; its ``env`` is replaced.
    env
        Values by name, with unresolved references.
    """
    _merge(container, {name: _variable(name, env[name]) for name in _ordered(env)}, first=False)


def layer_parameters(container: dict[str, Any], schema: ParameterSchema, values: Mapping[str, Any]) -> None:
    """Merge a variable for each parameter that is one and has a value into a container.

    A null parameter removes the variable, also that of the bundle, which is its default.

    Parameters
    ----------
    container
        A container with resolved references; its ``env`` is replaced.
    schema
        The declared parameters.
    values
        Valid parameters.
    """
    given = sorted(name for name in values if schema.is_variable(name))
    variables = {name: _parameter(name, values[name], schema) for name in given}
    _merge(container, variables, first=True)


def _parameter(name: str, value: Any, schema: ParameterSchema) -> dict[str, Any] | None:
    if value is None:
        return None
    if schema.is_secret_ref(name):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value["name"], "key": value["key"]}}}
    return _variable(name, text_form(value, kubelet=True))


def _variable(name: str, value: str) -> dict[str, Any]:
    # The API server does not store an empty value, so such a variable has a name only.
    return {"name": name, "value": value} if value else {"name": name}


def _merge(container: dict[str, Any], variables: Mapping[str, dict[str, Any] | None], *, first: bool) -> None:
    if not variables:
        return
    present = container.get("env", [])
    names = {variable["name"] for variable in present}
    kept = [variables.get(variable["name"], variable) for variable in present]
    new = [variable for name, variable in variables.items() if name not in names]
    merged = [variable for variable in ([*new, *kept] if first else [*kept, *new]) if variable]
    if merged:
        container["env"] = merged
    else:
        container.pop("env", None)


def order_variables(container: dict[str, Any]) -> None:
    """Move the variables that others mention before these, as the kubelet expands only earlier ones.

    Variables that are in order keep their places, and so do those that mention each other in a circle.

    Parameters
    ----------
    container
        A container with resolved references; its ``env`` is replaced.
    """
    variables: list[dict[str, Any]] = container.get("env") or []
    mentioned = mentions_of(variables)
    places = {variable["name"]: place for place, variable in enumerate(variables)}
    if any(places[other] > places[name] for name, others in mentioned.items() for other in others):
        circles = _circles(mentioned)
        open_ended = {
            name: [other for other in others if circles[other] != circles[name]]
            for name, others in mentioned.items()
        }
        by_name = {variable["name"]: variable for variable in variables}
        container["env"] = [by_name[name] for name in _depth_first(open_ended)]


def mentions_of(variables: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the names of variables, in their order, with the names of the variables that each mentions.

    Parameters
    ----------
    variables
        The ``env`` of a container. Only those that are in it count, in their order.
    """
    places = {variable["name"]: place for place, variable in enumerate(variables)}
    mentioned = {}
    for variable in variables:
        value = variable.get("value")
        found = mentions(value) if isinstance(value, str) else ()
        mentioned[variable["name"]] = sorted(
            (each for each in found if each in places), key=places.__getitem__
        )
    return mentioned


def circles_of(variables: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the variables that mention each other in a circle, or themselves: the kubelet expands none.

    Parameters
    ----------
    variables
        The ``env`` of a container.
    """
    mentioned = mentions_of(variables)
    groups: dict[int, list[str]] = {}
    for name, circle in _circles(mentioned).items():
        groups.setdefault(circle, []).append(name)
    return [names for names in groups.values() if len(names) > 1 or names[0] in mentioned[names[0]]]


def mentions(value: str) -> set[str]:
    """Return the names in the expressions ``$(NAME)`` of a text that the kubelet expands."""
    # After the last closing parenthesis, each $( would scan to the end without a match: quadratic time.
    matches = _MENTION.finditer(value, 0, value.rfind(")") + 1)
    return {match[1] for match in matches if match[1]}


def _ordered(env: Mapping[str, str]) -> list[str]:
    """Return the names sorted, but each after the names that its value mentions."""
    return _depth_first(mentions_of([{"name": name, "value": env[name]} for name in sorted(env)]))


def _depth_first(mentioned: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names in their order, but each after those that it mentions."""
    done: dict[str, None] = {}
    seen = set[str]()
    for root in mentioned:
        # Without recursion: a chain may contain all variables.
        stack = [(root, iter(mentioned[root]))]
        seen.add(root)
        while stack:
            name, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                done.setdefault(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(mentioned[following])))
    return list(done)


def _circles(mentioned: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return a number for each name, equal for names that mention each other, directly or not."""
    # Kosaraju's algorithm: what reaches a name, in the reverse order in which the names were completed.
    mentioning: dict[str, list[str]] = {name: [] for name in mentioned}
    for name, others in mentioned.items():
        for other in others:
            mentioning[other].append(name)
    circles: dict[str, int] = {}
    for number, root in enumerate(reversed(_depth_first(mentioned))):
        waiting = [] if root in circles else [root]
        while waiting:
            name = waiting.pop()
            if name not in circles:
                circles[name] = number
                waiting += mentioning[name]
    return circles
