"""An operator whose user has no name, as in a container: nothing but a number is known of it."""

from __future__ import annotations

import os
import pwd
from typing import NoReturn

from model_operator.cli.main import main

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def getpwuid(number: int) -> NoReturn:
    """Know nobody."""
    raise KeyError(f"getpwuid(): uid not found: {number}")


if __name__ == "__main__":
    for name in NAMES:
        os.environ.pop(name, None)
    pwd.getpwuid = getpwuid
    main()
