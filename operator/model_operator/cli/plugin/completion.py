"""Shell completion from the cluster, for options and arguments.

`model_operator.cli.plugin.choices` has the functions. It is imported when a word is completed: the commands
themselves do not need it.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

Choice = tuple[str, str]
"""A word, and its description."""


def _completer(name: str) -> Callable[[typer.Context, str], list[Choice]]:
    def complete(context: typer.Context, incomplete: str) -> list[Choice]:
        from model_operator.cli.plugin import choices  # noqa: PLC0415

        found: list[Choice] = getattr(choices, name)(context, incomplete)
        return found

    return complete


instance_names = _completer("instance_names")
key_names = _completer("key_names")
template_names = _completer("template_names")
revision_words = _completer("revision_words")
revision_hashes = _completer("revision_hashes")
namespace_names = _completer("namespace_names")
names_of_contexts = _completer("names_of_contexts")
