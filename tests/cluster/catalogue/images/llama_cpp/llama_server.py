#!/usr/bin/env python3
"""``llama-server`` of the wheel xllamacpp: llama.cpp reads the options, finds the model, and serves.

The wheel has no program. It exports llama.cpp's parser, which is called here as upstream's ``main`` calls it,
on the structure inside ``xllamacpp.CommonParams``. So options and variables are llama.cpp's own, and it
refuses unknown options.
"""

from __future__ import annotations

import ctypes
import signal
import sys

import xllamacpp
from xllamacpp import xllamacpp as extension

PARSE = "_Z19common_params_parseiPPcR13common_params13llama_examplePFviS0_E"
COMPLETION, SERVER = 4, 12
"""Members of llama.cpp's ``llama_example``: which program's options are valid."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
MARK = 0x5EED1234
HEADER_BYTES = (16, 24)
"""Sizes that the part of Python's object before the structure may have."""


def address(params: xllamacpp.CommonParams) -> int:
    """Return where the structure ``common_params`` of `params` is; its first member is ``n_predict``."""
    before, params.n_predict = params.n_predict, MARK
    found = [id(params) + size for size in HEADER_BYTES]
    (place,) = (each for each in found if ctypes.c_int32.from_address(each).value == MARK)
    params.n_predict = before
    return place


def parse(params: xllamacpp.CommonParams, program: int, *arguments: str) -> None:
    """Have llama.cpp read options and variables into `params`; end the process when it refuses one."""
    function = ctypes.CDLL(extension.__file__)[PARSE]
    function.restype = ctypes.c_bool
    words = [word.encode() for word in ("llama-server", *arguments)]
    given = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    if not function(len(words), given, ctypes.c_void_p(address(params)), program, None):
        sys.exit(1)


def find_model(params: xllamacpp.CommonParams) -> None:
    """Download the model of ``--hf-repo``, or find it in the cache, as upstream's server does next."""
    found = xllamacpp.CommonParams()
    parse(found, COMPLETION, "--hf-repo", params.model.hf_repo)
    params.model.path = found.model.path


def main() -> None:
    """Serve until a signal; llama.cpp's threads inherit that signals wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    params = xllamacpp.CommonParams()
    parse(params, SERVER, *sys.argv[1:])
    if params.model.hf_repo:
        find_model(params)
    server = xllamacpp.Server(params)
    signal.sigwait(SIGNALS)
    del server


if __name__ == "__main__":
    main()
