"""Start the server: ``python -m embedding_server``. What it does is set by environment variables."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # The kernel drops signals that process 1 of a container has no handler for, so that a stop during the
    # imports below would only take effect with the kubelet's SIGKILL.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    from embedding_server.serving import main

    sys.exit(main())
