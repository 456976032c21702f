"""The environment of the model container, merged from pod template, bundle and parameters.

Variables merge by name. A variable of the bundle replaces that of the pod template at the same position, and
a parameter replaces either. New variables of the bundle follow those of the pod template. They are sorted by
name, but each follows the variables that it mentions: the kubelet expands only earlier variables. New
variables of parameters come first, sorted by name, so that every other variable can mention them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.references import text_form

_MENTION = re.compile(r"\$\$|\$\(([^)]*)\)")


def lay_environment(container: dict[str, Any], env: Mapping[str, str]) -> None:
    """Merge the bundle's variables into a container.

    Parameters
    ----------
    container
        A container; its ``env`` is replaced.
    env
        Values by name, with unresolved references.
    """
    _merge(container, {name: _variable(name, env[name]) for name in _ordered(env)}, first=False)


def lay_parameters(container: dict[str, Any], schema: ParameterSchema, values: Mapping[str, Any]) -> None:
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


def _ordered(env: Mapping[str, str]) -> list[str]:
    """Return the names sorted, but each after the names that its value mentions."""
    mentioned = {name: [other for other in _mentions(value) if other in env] for name, value in env.items()}
    done: dict[str, None] = {}
    seen = set[str]()
    for root in sorted(env):
        # Depth first without recursion: a chain may contain all variables.
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


def _mentions(value: str) -> list[str]:
    # After the last closing parenthesis, each $( would scan to the end without a match: quadratic time.
    matches = _MENTION.finditer(value, 0, value.rfind(")") + 1)
    return sorted({match[1] for match in matches if match[1]})
