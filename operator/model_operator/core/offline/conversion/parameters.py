"""The parameters of a converted template: the values that vary from model to model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.offline.conversion.notes import ConversionError, Draft, Topic
from model_operator.core.offline.conversion.workloads import items, mapping
from model_operator.core.templates.guarded_fields import is_guarded
from model_operator.core.templates.references import text_form
from model_operator.core.templates.substitution import strings
from model_operator.core.values.limits import MAX_KEY_CHARACTERS
from model_operator.core.values.words import listed

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_MODEL_OPTIONS: Final = ("--model", "--model-path", "--model-id", "--hf-repo", "-hf")
_MODEL_VARIABLES: Final = (
    "MODEL",
    "MODEL_ID",
    "MODEL_NAME",
    "HF_MODEL_ID",
    "INFINITY_MODEL_ID",
    "MODEL_PATH",
)
_OPTIONS: Final = (
    "--revision",
    "--served-model-name",
    "--max-model-len",
    "--ctx-size",
    "--context-length",
    "--max-input-length",
    "--max-total-tokens",
    "--dtype",
    "--quantization",
    "--quantize",
    "--gpu-memory-utilization",
    "--mem-fraction-static",
    "--max-num-seqs",
    "--max-num-batched-tokens",
    "--max-batch-tokens",
    "--max-concurrent-requests",
    "--max-client-batch-size",
    "--pooling",
)
_VARIABLES: Final = frozenset(option.lstrip("-").replace("-", "_").upper() for option in _OPTIONS)
_MODEL_PATTERN: Final = r"^[A-Za-z0-9/.][A-Za-z0-9._/:@-]*$"
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,8})\.[0-9]{0,8}[1-9]", re.ASCII)
_LONG: Final = 4
"""Length from which a value does not occur in a text by chance."""
_STEP: Final = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]", re.ASCII)

Place = tuple[dict[str, Any] | list[Any], Any]
"""An object or a list, and the key or index of a value in it."""


class Parameters:
    """The parameters of a template, each of which takes the place of a value.

    Parameters
    ----------
    spec
        ``spec`` of the template; values in it are replaced by references.
    draft
        For notes.
    """

    def __init__(self, spec: dict[str, Any], draft: Draft) -> None:
        self._spec = spec
        self._draft = draft
        self._bundle: dict[str, Any] = spec["vendor_configuration"]["bundle_config"]
        self.properties: dict[str, dict[str, Any]] = {}
        self.required: list[str] = []
        self.values: dict[str, Any] = {}

    def schema(self) -> dict[str, Any] | None:
        """Return ``model_creation_parameters_schema``; None if there are no parameters."""
        if not self.properties:
            return None
        required = {"required": self.required} if self.required else {}
        return {"type": "object", **required, "properties": self.properties}

    def choose(self, name: str, target: str) -> None:
        """Make a parameter of the value that the user named.

        Parameters
        ----------
        name
            Name of the parameter.
        target
            A variable, an option of the command line, or a path from ``spec`` of the template.

        Raises
        ------
        ConversionError
            The name is invalid or taken, or there is no such value.
        """
        if not _NAME.fullmatch(name):
            raise ConversionError(
                "--parameter: the name must have letters, digits and '_', and no digit first"
            )
        if name in self.properties:
            raise ConversionError(f"--parameter {name}: must be unique; remove the repeated one")
        if target.startswith("-"):
            place = self._option((target,))
            if place is None:
                raise ConversionError(
                    f"--parameter {name}: no argument is {target[:MAX_KEY_CHARACTERS]} with a value"
                )
            self._replace_argument(name, place)
        elif target in self._bundle.get("env", {}):
            self._replace_variable(name, target)
        elif self._secret_variable(target) is not None:
            self._take_secret(name, target)
        else:
            self._replace_at(name, target)

    def add_defaults(self) -> None:
        """Make parameters of what varies with most servers: the model, its options and the claims."""
        self._add_model()
        for option in _OPTIONS:
            name = option.lstrip("-").replace("-", "_")
            place = self._option((option,))
            if place is not None and name not in self.properties:
                self._replace_argument(name, place)
        for variable in sorted(self._bundle.get("env", {}).keys() & _VARIABLES):
            if variable not in self.properties and "$" not in self._bundle["env"][variable]:
                self._replace_variable(variable, variable)
        self._add_claims()
        if self._is_shell():
            self._draft.note(
                Topic.ASSUMED,
                "no parameters of arguments: the command is a script of a shell; write it as a list of "
                "arguments, or use variables in the script and name them with --parameter",
            )

    def _add_model(self) -> None:
        place = self._option(_MODEL_OPTIONS) or self._positional()
        variables = [each for each in _MODEL_VARIABLES if each in self._bundle.get("env", {})]
        if place is not None and "model" not in self.properties:
            value = (
                str(self._value(place)).partition("=")[2] if self._is_joined(place) else self._value(place)
            )
            self._replace_argument("model", place)
            self._require("model", str(value))
        elif place is None and variables and variables[0] not in self.properties:
            name = variables[0]
            value = self._bundle["env"][name]
            if value and "$" not in value:
                self._replace_variable(name, name)
                self._require(name, value)

    def _require(self, name: str, value: str) -> None:
        """Have instances state a value that the template must not decide, and use it in all containers."""
        schema = self.properties[name]
        schema.pop("default", None)
        schema["type"], schema["examples"] = "string", [value]
        schema["description"] = "Model that the server loads."
        self.values[name] = value
        self.required.append(name)
        if re.fullmatch(_MODEL_PATTERN, value):
            schema["pattern"], schema["maxLength"] = _MODEL_PATTERN, 255
        spec = mapping(mapping(self._spec.get("pod_template")).get("spec"))
        for key in ("initContainers", "containers"):
            for container in items(spec.get(key)):
                for variable in items(container.get("env")):
                    if variable.get("value") == value and isinstance(variable, dict):
                        variable["value"] = f"$(parameters.{name})"
                for field in ("args", "command"):
                    given = container.get(field)
                    words: list[Any] = given if isinstance(given, list) else []
                    for index, word in enumerate(words):
                        if word == value and (field, index) != ("command", 0):
                            words[index] = f"$(parameters.{name})"
        others = [
            loc
            for loc, text in strings(self._spec.get("pod_template"))
            if len(value) >= _LONG and value in text
        ]
        if others:
            places = listed([".".join(map(str, ("pod_template", *loc))) for loc in others[:5]])
            self._draft.note(Topic.ASSUMED, f"{places} also names the model, and has no reference to {name}")

    def _add_claims(self) -> None:
        volumes = mapping(mapping(self._spec.get("pod_template")).get("spec")).get("volumes")
        claims = [
            each["persistentVolumeClaim"]
            for each in items(volumes)
            if isinstance(each.get("persistentVolumeClaim"), dict)
            and "$(" not in str(each["persistentVolumeClaim"].get("claimName"))
        ]
        for number, claim in enumerate(claims):
            name = "claim" if number == 0 else f"claim_{number + 1}"
            if name not in self.properties and isinstance(claim.get("claimName"), str):
                self._declare(name, claim["claimName"], "PersistentVolumeClaim in the instance's namespace.")
                claim["claimName"] = f"$(parameters.{name})"

    def _declare(self, name: str, value: Any, description: str = "", *, is_variable: bool = False) -> None:
        typed = _typed(value)
        kind = {bool: "boolean", int: "integer", float: "number"}.get(type(typed), "string")
        schema: dict[str, Any] = {"type": kind, "default": typed}
        if description:
            schema["description"] = description
        if not is_variable:
            schema["x-env"] = False
        self.properties[name] = schema
        self.values[name] = typed

    def _option(self, names: tuple[str, ...]) -> Place | None:
        """Return the place of the value of an option; for ``--option=value`` that of the whole argument."""
        if self._is_shell():
            return None
        for field in ("args", "command"):
            given = self._bundle.get(field)
            words: list[Any] = given if isinstance(given, list) else []
            for index, word in enumerate(words):
                if not isinstance(word, str):
                    continue
                option, equals, value = word.partition("=")
                if option.replace("_", "-") not in names and option not in names:
                    continue
                if equals and value and "$" not in value:
                    return words, index
                following = words[index + 1] if not equals and index + 1 < len(words) else ""
                if (
                    isinstance(following, str)
                    and following
                    and not following.startswith("-")
                    and "$" not in following
                ):
                    return words, index + 1
        return None

    def _positional(self) -> Place | None:
        """Return the place of the model in ``vllm serve MODEL``."""
        if self._is_shell():
            return None
        command, args = self._bundle.get("command") or [], self._bundle.get("args") or []
        words: list[Place] = [(command, n) for n in range(len(command))] + [
            (args, n) for n in range(len(args))
        ]
        texts = [str(self._value(place)) for place in words]
        is_entrypoint = not command and "vllm" in self._bundle["image"] and texts[:1] and "/" in texts[0]
        if is_entrypoint and not texts[0].startswith("-") and "$" not in texts[0]:
            return words[0]
        for index in range(len(words) - 2):
            found = texts[index + 2]
            if texts[index].endswith("vllm") and texts[index + 1] == "serve" and found[0] not in "-$":
                return words[index + 2]
        return None

    def _is_shell(self) -> bool:
        words = [*(self._bundle.get("command") or ()), *(self._bundle.get("args") or ())]
        return bool(words) and str(words[0]).rpartition("/")[2] in _SHELLS

    @staticmethod
    def _value(place: Place) -> Any:
        parent, key = place
        return parent[key]

    def _is_joined(self, place: Place) -> bool:
        return str(self._value(place)).startswith("-") and "=" in str(self._value(place))

    def _replace_argument(self, name: str, place: Place) -> None:
        parent, key = place
        option, equals, value = str(parent[key]).partition("=")
        is_joined = self._is_joined(place)
        self._declare(name, value if is_joined else parent[key])
        parent[key] = f"{option}{equals}$(parameters.{name})" if is_joined else f"$(parameters.{name})"

    def _replace_variable(self, name: str, variable: str) -> None:
        env = self._bundle["env"]
        if name != variable:
            self._declare(name, env[variable])
            env[variable] = f"$(parameters.{name})"
            return
        self._declare(name, env.pop(variable), is_variable=True)
        if not env:
            del self._bundle["env"]

    def _secret_variable(self, name: str) -> dict[str, Any] | None:
        for variable in items(mapping(self._model()).get("env")):
            if variable.get("name") == name and mapping(variable.get("valueFrom")).get("secretKeyRef"):
                return dict(variable["valueFrom"]["secretKeyRef"])
        return None

    def _model(self) -> dict[str, Any]:
        spec = mapping(mapping(self._spec.get("pod_template")).get("spec"))
        found = (each for each in items(spec.get("containers")) if each.get("name") == "model")
        container = next(found, {})
        return container if isinstance(container, dict) else {}

    def _take_secret(self, name: str, variable: str) -> None:
        if name != variable:
            raise ConversionError(
                f"--parameter {name}: a variable that reads a Secret keeps its name, {variable}"
            )
        reference, container = self._secret_variable(variable) or {}, self._model()
        container["env"] = [each for each in container["env"] if each.get("name") != variable]
        if not container["env"]:
            del container["env"]
        self.properties[name] = {"x-secret-ref": True}
        self.values[name] = {key: reference.get(key) for key in ("name", "key")}
        if not reference.get("optional"):
            self.required.append(name)

    def _replace_at(self, name: str, path: str) -> None:
        steps = [found[1] or int(found[2]) for found in _STEP.finditer(path)]
        if steps[:1] == ["spec"]:
            steps = steps[1:]
        parent: Any = self._spec
        for step in steps[:-1]:
            parent = _member(parent, step)
        value = _member(parent, steps[-1]) if steps else None
        if isinstance(value, dict | list) or value is None:
            known = listed(sorted(self._bundle.get("env", {}))) or "none"
            raise ConversionError(
                f"--parameter {name}: {path[:MAX_KEY_CHARACTERS]}: must be a variable of the container "
                f"({known}), an option such as --max-model-len, or a path in spec of the template"
            )
        if isinstance(value, str) and "$(parameters." in value:
            raise ConversionError(f"--parameter {name}: {path[:MAX_KEY_CHARACTERS]}: is a parameter already")
        self._declare(name, value)
        if type(value) is str:
            self.properties[name]["type"], self.properties[name]["default"] = "string", value
            self.values[name] = value
        inside = tuple(steps[1:])
        if (steps[0] == "pod_template" and is_guarded(inside)) or steps[-1] == "gpu_type":
            self.properties[name]["enum"] = [value]
            self._draft.note(
                Topic.ASSUMED,
                f"{name} has an enum: what a pod may do depends on it, so add the allowed values",
            )
        parent[steps[-1]] = f"$(parameters.{name})"


def _member(value: Any, step: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    is_index = isinstance(value, list) and isinstance(step, int) and step < len(value)
    return value[step] if is_index else None


def _typed(value: Any) -> Any:
    """Return the number or boolean that a text stands for, if its text form is the same; else the value."""
    if not isinstance(value, str):
        return value
    candidates: Iterator[Any] = iter(())
    if value in ("true", "false"):
        candidates = iter((value == "true",))
    elif _INTEGER.fullmatch(value):
        candidates = iter((int(value),))
    elif _DECIMAL.fullmatch(value):
        candidates = iter((float(value),))
    found = next(candidates, value)
    return found if text_form(found, kubelet=True) == value else value
