"""What the API server can take: ``python -m benchmarks.ceiling KUBECONFIG FILE CONCURRENCY``.

A process of its own that does nothing but send the requests in FILE, one JSON list a line, and prints how
many seconds that took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from benchmarks.client import BenchError, Request, connect


async def measure(kubeconfig: Path, requests: list[Request], concurrency: int) -> float:
    """Send all requests; give the seconds."""
    async with connect(kubeconfig) as client:
        begin = time.monotonic()
        await client.send_all(requests, concurrency)
        return time.monotonic() - begin


async def ceiling(
    kubeconfig: Path, requests: list[Request], directory: Path, concurrency: int, seconds: float
) -> float:
    """Measure in a process of its own; give the seconds that the requests took.

    Parameters
    ----------
    kubeconfig
        As whom.
    requests
        What to send.
    directory
        A folder for the file of requests.
    concurrency
        How many at a time.
    seconds
        How long it may take.

    Raises
    ------
    BenchError
        When a request is refused or the time is up.
    """
    file = directory / "requests.jsonl"
    file.write_text("".join(json.dumps(request) + "\n" for request in requests))
    command = [sys.executable, "-m", "benchmarks.ceiling", str(kubeconfig), str(file), str(concurrency)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise BenchError(f"the ceiling was not measured within {seconds:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BenchError(f"the ceiling could not be measured: {output.decode()[-1000:]}")
    return float(output)


if __name__ == "__main__":
    lines = Path(sys.argv[2]).read_text().splitlines()
    given = [Request(*json.loads(line)) for line in lines]
    print(asyncio.run(measure(Path(sys.argv[1]), given, int(sys.argv[3]))))
