"""Literal credentials in a pod: each becomes a variable that reads a Secret, so that no value is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_LAST_WORDS: Final = frozenset(
    {
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASS",
        "PWD",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "PASSPHRASE",
    }
)
_KEYS: Final = frozenset({"API", "ACCESS", "SECRET", "PRIVATE", "AUTH", "ENCRYPTION", "LICENSE", "SIGNING"})
_TEXT_TOKENS: Final = frozenset(
    {"EOS", "BOS", "PAD", "UNK", "STOP", "END", "START", "MASK", "SEP", "CLS", "IMAGE", "SPECIAL", "PER"}
)
"""Words before ``token`` that make it one of a text."""
_KNOWN: Final = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|nvapi-[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
    re.ASCII,
)
"""Forms of tokens that their issuers have published."""
_IN_URL: Final = re.compile(r"://[^/\s:@]*:[^/\s:@]+@", re.ASCII)
_PRIVATE_KEY: Final = "-----BEGIN"
_REFERENCE: Final = re.compile(r"\$[({]?[A-Za-z_]\w*[)}]?", re.ASCII)
REMOVED: Final = "REMOVED"
"""What stands in place of a credential where no variable can."""
_SWITCHES: Final = frozenset({"", "0", "1", "true", "false", "yes", "no", "none", "auto", "null"})
_OPTION: Final = re.compile(
    r"(?<![\w-])(?P<name>--?[A-Za-z][\w-]{1,80}(?P<gap>=|[ \t]+)|[A-Za-z_]\w{1,80}=)"
    r"(?P<quote>[\"']?)(?P<value>[^\s\"';-][^\s\"';]*)",
    re.ASCII,
)
"""An option with its value, or an assignment of a shell, in a command line."""


def is_credential_name(name: str) -> bool:
    """Whether a variable or an option is named like one with a credential.

    Parameters
    ----------
    name
        Such as ``HF_TOKEN`` or ``--api-key``.
    """
    words = [word for word in re.split(r"[-_.]", name.upper()) if word]
    last, before = words[-1] if words else "", words[-2] if len(words) > 1 else ""
    if last == "KEY":
        return before in _KEYS
    return last in _LAST_WORDS and not (last == "TOKEN" and before in _TEXT_TOKENS)


def is_credential(name: str, value: str) -> bool:
    """Whether the literal value of a variable or an option looks like a credential.

    Parameters
    ----------
    name, value
        The variable or option, and its value.
    """
    if has_credential(value):
        return True
    if value.lower() in _SWITCHES or _REFERENCE.fullmatch(value) or value.startswith(("/", "./")):
        return False
    return is_credential_name(name)


def has_credential(text: str) -> bool:
    """Whether a text contains a token of a known form, a password in a URL or a private key."""
    return bool(_KNOWN.search(text) or _IN_URL.search(text)) or _PRIVATE_KEY in text


def move_credentials(container: dict[str, Any], secret: str) -> Iterator[str]:
    """Replace literal credentials of a container by variables that read a Secret.

    Parameters
    ----------
    container
        A container; its ``env``, ``command`` and ``args`` are changed in place.
    secret
        Name of the Secret, which the template owner creates.

    Yields
    ------
    str
        Where one was, with the key that replaces it.
    """
    for variable in container.get("env") or ():
        name, value = str(variable.get("name")), variable.get("value")
        if isinstance(value, str) and is_credential(name, value):
            variable.pop("value")
            variable["valueFrom"] = _from(secret, name)
            yield f"the variable {name} of container {container.get('name')}: key {name} of Secret {secret}"
    for field in ("command", "args"):
        given = container.get(field)
        words: list[Any] = given if isinstance(given, list) else []
        for index, word in enumerate(words):
            if not isinstance(word, str):
                continue
            before = words[index - 1] if index else ""
            changed, names = _without_credentials(word, before if isinstance(before, str) else "")
            words[index] = changed
            for name in names:
                _add(container, secret, name)
                yield f"{field}[{index}] of container {container.get('name')}: key {name} of Secret {secret}"


def remove_tokens(value: Any, path: str = "") -> Iterator[str]:
    """Replace tokens in all other texts of a pod, such as the headers of probes, by `REMOVED`.

    Parameters
    ----------
    value
        A part of a pod template; changed in place.
    path
        Its path.

    Yields
    ------
    str
        The path of each text that was changed.
    """
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    is_header = (
        isinstance(value, dict)
        and value.keys() == {"name", "value"}
        and path.rpartition(".")[0].endswith("httpHeaders")
    )
    for key, item in list(pairs):
        here = f"{path}.{key}" if path else str(key)
        if isinstance(item, str):
            if has_credential(item) or (is_header and key == "value" and _is_header(str(value["name"]))):
                value[key] = REMOVED
                yield here
        else:
            yield from remove_tokens(item, here)


def _is_header(name: str) -> bool:
    return name.lower() in ("authorization", "cookie") or is_credential_name(name)


def _without_credentials(word: str, before: str) -> tuple[str, list[str]]:
    """Return an argument with kubelet variables in place of credentials, and the names of these."""
    if (
        before.startswith("-")
        and "=" not in before
        and not word.startswith("-")
        and is_credential(before, word)
    ):
        name = _variable(before)
        return f"$({name})", [name]
    names: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        name = found["name"].rstrip("= \t")
        if not is_credential(name, found["value"]):
            return found[0]
        names.append(_variable(name))
        return f"{found['name']}{found['quote']}$({names[-1]})"

    word = _OPTION.sub(replaced, word)
    if has_credential(word):
        # Of what is left, no name is known.
        names.append("CREDENTIAL")
        word = _KNOWN.sub("$(CREDENTIAL)", word)
        if has_credential(word):
            word = "$(CREDENTIAL)"
    return word, names


def _variable(option: str) -> str:
    return re.sub(r"\W", "_", option.lstrip("-")).upper()


def _from(secret: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret, "key": key}}


def _add(container: dict[str, Any], secret: str, name: str) -> None:
    variables = container.setdefault("env", [])
    if not any(each.get("name") == name for each in variables):
        variables.insert(0, {"name": name, "valueFrom": _from(secret, name)})
