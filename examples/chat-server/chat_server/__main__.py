"""Start the server: ``python -m chat_server``. What it does is set by environment variables."""

from __future__ import annotations

import logging
import os
import sys

from chat_server.engine import EngineError, LlamaEngine
from chat_server.serving import keep_signals, serve
from chat_server.settings import SettingsError, read_settings


def main() -> int:
    """Serve as the environment says until a signal; give the exit status."""
    keep_signals()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        serve(read_settings(os.environ), LlamaEngine.start)
    except (EngineError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- what `kubectl logs` is to show, alone
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
