"""The name by which a model server knows its model, read from the command line that runs it.

Sources: the options of vLLM (``--served-model-name``, ``--model``, ``vllm serve MODEL``), SGLang
(``--served-model-name``, ``--model-path``) and llama.cpp's server (``--alias``, ``-a``).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from model_operator.core.templates.kubelet_expansion import expand, literal_variables

MAX_NAME: Final = 512
"""Maximum length of a name, in characters; a longer text is none."""

_NAMES: Final = ("--served-model-name",)
_ALIASES: Final = ("--alias",)
_LLAMA_ALIASES: Final = ("--alias", "-a")
_MODELS: Final = ("--model", "--model-path")
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_MAX_SCRIPT: Final = 16 * 1024
_SHELL_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


def served_name(container: Mapping[str, Any]) -> str | None:
    """Return the name that the arguments of a server give its model; None if they do not say.

    Parameters
    ----------
    container
        The container ``model`` of a rendered pod, whose strings the kubelet will expand.
    """
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    variables = _Variables(container)
    script = _script(words)
    if script is not None:
        # What follows are the parameters of the script, such as those of `exec "$@"`.
        words = [*script, *words[_script_index(words) + 1 :]]
    found = _found(words, str(container.get("image") or ""), has_command=bool(container.get("command")))
    name = None if found is None else variables.resolve(found, shell=script is not None)
    return name if name and len(name) <= MAX_NAME else None


def _found(words: Sequence[str], image: str, *, has_command: bool) -> str | None:
    is_llama = any("llama" in PurePosixPath(text).name for text in (image, *words[:2]))
    name = _option(words, _NAMES)
    if name is None:
        alias = _option(words, _LLAMA_ALIASES if is_llama else _ALIASES)
        # llama.cpp takes several names, separated by commas.
        name = None if alias is None else alias.split(",")[0].strip()
    return name or _option(words, _MODELS) or _positional(words, image, has_command=has_command)


def _option(words: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the value of an option, that of its last occurrence; the first one if it has several."""
    for index in range(len(words) - 1, -1, -1):
        option, equals, value = words[index].partition("=")
        # The parsers of vLLM and SGLang take underscores for hyphens.
        if option.replace("_", "-") not in names:
            continue
        if not equals:
            value = words[index + 1] if index + 1 < len(words) else ""
        if value and not value.startswith("-"):
            return value
    return None


def _positional(words: Sequence[str], image: str, *, has_command: bool) -> str | None:
    """Return the model in ``vllm serve MODEL``, also where the image's entrypoint is ``vllm serve``."""
    for index, word in enumerate(words[:-2]):
        if PurePosixPath(word).name == "vllm" and words[index + 1] == "serve":
            return None if words[index + 2].startswith("-") else words[index + 2]
    is_entrypoint = not has_command and "vllm" in PurePosixPath(image).name
    return words[0] if is_entrypoint and words and not words[0].startswith("-") else None


def _script_index(words: Sequence[str]) -> int:
    """Return the index of the script that a shell runs; 0 if the program is no shell."""
    if not words or PurePosixPath(words[0]).name not in _SHELLS:
        return 0
    for index, word in enumerate(words[1:-1], start=1):
        if not word.startswith("-"):
            return 0
        if not word.startswith("--") and word.endswith("c"):
            return index + 1
    return 0


def _script(words: Sequence[str]) -> list[str] | None:
    """Return the words of the script that a shell runs; None if the program is no shell."""
    index = _script_index(words)
    if not index:
        return None
    script = words[index]
    try:
        return shlex.split(script.replace("\\\n", " "), comments=True) if len(script) <= _MAX_SCRIPT else []
    except ValueError:
        return []


class _Variables:
    """The environment variables of a container, as far as their values are literal."""

    def __init__(self, container: Mapping[str, Any]) -> None:
        self.container = container

    def resolve(self, text: str, *, shell: bool) -> str | None:
        """Return a text with its variables; None if it has one whose value is not known."""
        if "$" not in text and not (shell and "`" in text):
            return text
        known = literal_variables(self.container.get("env") or ())
        expanded = expand(text, known)
        if expanded is None or not shell:
            return expanded
        variable = _SHELL_VARIABLE.fullmatch(expanded)
        if variable:
            return known.get(variable[1] or variable[2])
        return None if "$" in expanded or "`" in expanded else expanded
