"""Warnings about ``$(NAME)`` in texts that the kubelet expands, and about ``$NAME``, which shells expand.

The kubelet keeps ``$(NAME)`` as it is if the container has no variable of this name, or a variable's value
mentions a later one, itself, or one that mentions it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.environment import circles_of, mentions
from model_operator.core.templates.pod_fields import field_spec
from model_operator.core.templates.pod_paths import PROBES, Path
from model_operator.core.templates.references import OURS
from model_operator.core.templates.substitution import strings
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import nearest

Source = tuple[Any, Loc, Path]
"""A value with texts, its path in the template, and its path in the pod template."""

_SHELL_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z_]\w{0,127})\}|([A-Za-z_]\w{0,127}))", re.ASCII)
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", "busybox"})
_WRAPPERS: Final = frozenset(
    {"tini", "dumb-init", "catatonit", "env", "exec", "nice", "setsid", "sudo", "nohup"}
)
_SERVICE: Final = re.compile(
    r"[A-Z][A-Z0-9_]*_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)",
    re.ASCII,
)
"""Variables that the kubelet makes of the Services of the namespace."""
_CONSTANT: Final = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
_MAX_SERVICE_VARIABLE: Final = 160
_MAX_WARNINGS: Final = 20


@dataclass(frozen=True)
class Environment:
    """What a container has when the kubelet expands its texts.

    Attributes
    ----------
    variables
        The ``env`` of the container, without those of parameters.
    parameters
        The declared parameters, which are variables of the container ``model`` alone.
    is_model
        Whether it is the container ``model``.
    is_open
        Whether it has variables from ``envFrom``, whose names are not known.
    is_shell
        Whether a shell runs its command, and expands what the kubelet leaves.
    has_links
        Whether it has variables of the Services of its namespace (``enableServiceLinks``); those of the
        Service ``kubernetes`` are in every container.
    """

    variables: tuple[Mapping[str, Any], ...]
    parameters: ParameterSchema
    is_model: bool
    is_open: bool
    is_shell: bool
    has_links: bool = False

    @classmethod
    def of(
        cls,
        container: Mapping[str, Any],
        parameters: ParameterSchema,
        *,
        is_model: bool,
        has_links: bool = False,
    ) -> Environment:
        """Return the environment of a container of a layered pod template."""
        variables = tuple(each for each in container.get("env") or () if isinstance(each.get("name"), str))
        is_open, is_shell = bool(container.get("envFrom")), runs_shell(container.get("command"))
        return cls(variables, parameters, is_model, is_open, is_shell, has_links)

    @property
    def names(self) -> set[str]:
        """Names of the variables that every pod has."""
        always = {name for name in self._of_parameters if self.parameters.always_has_value(name)}
        return {str(each["name"]) for each in self.variables} | (always if self.is_model else set())

    @property
    def optional(self) -> set[str]:
        """Names of the variables that only some pods have."""
        return self._of_parameters - self.names if self.is_model else set()

    @property
    def _of_parameters(self) -> set[str]:
        return {name for name in self.parameters.properties if self.parameters.is_variable(name)}

    def problem(self, name: str) -> str | None:
        """Return what is wrong with ``$(NAME)`` in a text of the container; None if nothing is."""
        parameter = _parameter(name, self.parameters)
        if name in self.names:
            is_exact = self.is_model and name == parameter and not _CONSTANT.fullmatch(name)
            meant = f"; did you mean $(parameters.{parameter})?" if is_exact else ""
            return f"is the variable of that name, which the kubelet inserts{meant}" if meant else None
        if name in self.optional:
            return (
                "is a variable only where an instance sets the parameter; elsewhere the text stays as it is"
            )
        # The names of a ConfigMap's keys are not known, and a shell runs $(command).
        if self.is_open or (self.is_shell and not _CONSTANT.fullmatch(name) and parameter is None):
            return None
        if (self.has_links or name.startswith("KUBERNETES_")) and _is_of_a_service(name):
            return None
        variable = nearest(name, self.names)
        known = f"$(parameters.{parameter})" if parameter else f"$({variable})" if variable else None
        hint = f"; did you mean {known}?" if known else ""
        return f"is no variable of the container, so the text stays as it is{hint}"


def _is_of_a_service(name: str) -> bool:
    # The pattern takes quadratic time, and a text may have 64 KiB; the name of a Service has 63 characters.
    return len(name) <= _MAX_SERVICE_VARIABLE and _SERVICE.fullmatch(name) is not None


def runs_shell(command: Any) -> bool:
    """Whether a command is a shell with ``-c``, such as ``[/bin/sh, -c]``, also behind ``tini``."""
    if not isinstance(command, list) or not command or not all(isinstance(item, str) for item in command):
        return False
    programs = [item.rsplit("/", 1)[-1] for item in command]
    start = 0
    if programs[0] in _WRAPPERS:
        # Their options, variables and "--" come before the program.
        start = next((place for place, program in enumerate(programs) if program in _SHELLS), 0)
    return programs[start] in _SHELLS and any(
        item.startswith("-") and "c" in item for item in command[start + 1 :]
    )


def variable_warnings(sources: Iterable[Source], environments: Mapping[Loc, Environment]) -> list[Violation]:
    """Return warnings about texts of a template that the kubelet leaves as they are.

    Parameters
    ----------
    sources
        The values with texts.
    environments
        The environments by the path of their container in the template, and that of ``bundle_config``.
    """
    found: list[Violation] = []
    for value, loc, path in sources:
        for inner, text in strings(value):
            here, target = (*loc, *inner), (*path, *inner)
            if "$" not in text or not field_spec(target).kubelet:
                continue
            environment = environments.get(here[:3]) or environments.get(here[:5])
            if environment is None:
                continue
            for name in sorted(mentions(text)):
                problem = None if name.startswith(OURS) else environment.problem(name)
                if problem is not None:
                    found.append(Violation(here, f"$({name}) {problem}", "unknown_variable"))
            found += _unexpanded(text, here, target, environment)
            if len(found) >= _MAX_WARNINGS:
                return found
    return found


def circle_warnings(environment: Environment, locs: Mapping[str, Loc]) -> Iterator[Violation]:
    """Yield a warning for each circle of variables that mention each other.

    Parameters
    ----------
    environment
        The environment of a container.
    locs
        Paths of its variables in the template, by name.
    """
    for names in map(sorted, circles_of(environment.variables)):
        if names[0] in locs and not (environment.is_model and environment.parameters.declares(names[0])):
            which = (
                "mentions itself" if len(names) == 1 else f"is in a circle of variables: {', '.join(names)}"
            )
            message = f"{which}; the kubelet expands only earlier variables and leaves the text as it is"
            yield Violation(locs[names[0]], message, "circular_variable")


def _unexpanded(text: str, loc: Loc, path: Path, environment: Environment) -> Iterator[Violation]:
    """Yield warnings about variables in the form of a shell where none runs."""
    is_argument = path[-2] in {"command", "args"} if isinstance(path[-1], int) else False
    if not is_argument or environment.is_shell or any(part in PROBES for part in path):
        return
    for match in _SHELL_VARIABLE.finditer(text):
        name = match[1] or match[2]
        if text[match.start() - 1 : match.start()] in ("$", "\\"):
            continue
        parameter = _parameter(name, environment.parameters)
        meant = (
            f"$({name})" if name in environment.names else f"$(parameters.{parameter})" if parameter else None
        )
        if meant is not None:
            message = f"{match[0]} stays as it is, since no shell expands it; did you mean {meant}?"
            yield Violation(loc, message, "unexpanded_variable")


def _parameter(name: str, parameters: ParameterSchema) -> str | None:
    """Return the declared parameter of this name, whatever its case."""
    if parameters.declares(name):
        return name
    return next((each for each in parameters.properties if each.lower() == name.lower()), None)
