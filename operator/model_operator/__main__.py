"""``python -m model_operator``: the same as the command ``model-operator``."""

from __future__ import annotations

from model_operator.cli.main import main

if __name__ == "__main__":
    main()
