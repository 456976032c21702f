"""Let PyTorch's wheel load without the libraries of CUDA, other than CUDA's small runtime.

PyPI's PyTorch links gigabytes of libraries that a CPU never calls. Each becomes a link to a library that is
there anyway, and each function that PyTorch takes from them may be absent, as ELF calls weak symbols. To call
one ends the process. It runs while an image is built, with the folder of ``torch`` as its argument.
"""

import mmap
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ABSENT = {
    "cublas": "libcublas.so.13",
    "cublaslt": "libcublasLt.so.13",
    "cudnn": "libcudnn.so.9",
    "cufft": "libcufft.so.12",
    "cufile": "libcufile.so.0",
    "cupti": "libcupti.so.13",
    "curand": "libcurand.so.10",
    "cusolver": "libcusolver.so.12",
    "cusparse": "libcusparse.so.12",
    "cusparselt": "libcusparseLt.so.0",
    "nccl": "libnccl.so.2",
    "nvrtc": "libnvrtc.so.13",
    "nvshmem": "libnvshmem_host.so.3",
}
"""The libraries by the beginning of their functions' names, in lower case."""

# From the ELF specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
SECTIONS_OFFSET, SECTION_SIZES = 0x28, 0x3A
SECTION, SYMBOL = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")
DYNAMIC_SYMBOLS, UNDEFINED, GLOBAL, WEAK = 11, 0, 1, 2


def sections(data: mmap.mmap) -> Iterator[tuple[int, int, int, int]]:
    """Give the type, offset, size and link of each section of a 64-bit file."""
    (start,) = struct.unpack_from("<Q", data, SECTIONS_OFFSET)
    size, count = struct.unpack_from("<HH", data, SECTION_SIZES)
    for index in range(count):
        _, kind, _, _, offset, length, link, *_ = SECTION.unpack_from(data, start + index * size)
        yield kind, offset, length, link


def weaken(data: mmap.mmap) -> None:
    """Make the undefined functions of absent libraries weak."""
    prefixes = tuple(name.encode() for name in ABSENT)
    found = list(sections(data))
    for kind, offset, length, link in found:
        if kind != DYNAMIC_SYMBOLS:
            continue
        names = found[link][1]
        for at in range(offset, offset + length, SYMBOL.size):
            name, info, _, section, *_ = SYMBOL.unpack_from(data, at)
            start = data[names + name : names + name + 16].lower()
            if section == UNDEFINED and info >> 4 == GLOBAL and start.startswith(prefixes):
                data[at + 4] = WEAK << 4 | info & 0xF


if __name__ == "__main__":
    libraries = Path(sys.argv[1], "lib")
    for path in libraries.glob("lib*.so"):
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            weaken(mapped)
    for name in ABSENT.values():
        (libraries / name).symlink_to("libc10.so")
