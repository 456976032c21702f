"""Argo CD's way with Lua scripts: the interpreter, the libraries and the globals that it gives them.

Source: ``runLua``, ``ExecuteHealthLua``, ``ExecuteResourceAction`` and ``cleanReturnedObj`` in
https://github.com/argoproj/argo-cd/blob/v3.2.0/util/lua/lua.go. It runs Lua 5.1 (gopher-lua); a script of the
ConfigMap argocd-cm has the base, package and table libraries, and of os only ``date`` and ``time``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lupa import lua51

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.kube_api import Object

HEALTH_STATUSES = frozenset({"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"})
_RESTRICT = """
getmetatable("").__index = nil
os = {date = os.date, time = os.time}
package.loaded.os = os
for _, name in ipairs({"coroutine", "debug", "io", "math", "python", "string"}) do
  _G[name] = nil
  package.loaded[name] = nil
end
"""


class LuaError(Exception):
    """A script failed, or gave something that Argo CD does not take."""


def health(script: str, obj: Mapping[str, Any]) -> dict[str, str]:
    """Give the health that a ``health.lua`` tells of an object: ``status`` and ``message``."""
    result = _run(script, obj)
    if not isinstance(result, dict) or result.get("status") not in HEALTH_STATUSES:
        raise LuaError(f"expected a table with a health status, got {result!r}.")
    return result


def discover(script: str, obj: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the actions that a ``discovery.lua`` offers for an object, each with what is said about it."""
    result = _run(script, obj)
    if not isinstance(result, dict):
        raise LuaError(f"expected a table of actions, got {result!r}.")
    return {name: about or {} for name, about in result.items()}


def available_actions(script: str, obj: Mapping[str, Any]) -> set[str]:
    """Give the names of the actions that an object has and that are not disabled."""
    return {name for name, about in discover(script, obj).items() if not about.get("disabled")}


def act(script: str, obj: Mapping[str, Any]) -> Object:
    """Give the object that an ``action.lua`` makes of one; Argo CD patches the difference."""
    result = _run(script, obj)
    if not isinstance(result, dict):
        raise LuaError(f"expected an object, got {result!r}.")
    cleaned: Object = _with_empty_objects(result, obj)
    return cleaned


def _run(script: str, obj: Mapping[str, Any]) -> Any:
    runtime: Any = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    runtime.execute(_RESTRICT)
    runtime.globals().obj = runtime.table_from(obj, recursive=True)
    try:
        return _plain(runtime.execute(script))
    except lua51.LuaError as error:
        raise LuaError(str(error)) from error


def _plain(value: Any) -> Any:
    """Give a Lua value as JSON; an empty table is an empty list, as there."""
    if lua51.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys == list(range(1, len(keys) + 1)):
        return [_plain(value[key]) for key in keys]
    return {key: _plain(value[key]) for key in keys}


def _with_empty_objects(new: Any, old: Any) -> Any:
    """Give empty objects back their type, by the object that the script began with."""
    if isinstance(old, dict) and new == []:
        return {}
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _with_empty_objects(value, old.get(key)) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        rest = new[len(old) :]
        return [_with_empty_objects(*pair) for pair in zip(new, old, strict=False)] + rest
    return new
