"""Asks embedding servers for the same sentences: ``ask.py URL…``; runs in a pod, with Python alone."""

import json
import math
import sys
import time
import urllib.error
import urllib.request

SENTENCE = "The cat sits on the mat."
OTHERS = ("A kitten is resting on a rug.", "Interest rates were raised by the central bank.")
HEAD = 4
FIRST_ANSWER_SECONDS = 15


def embed(url: str, texts: list[str]) -> tuple[list[list[float]], float]:
    """Give the vectors of `texts`, and how many milliseconds that took."""
    body = json.dumps({"texts": texts}).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    return [vector for _, vector in answer["embeddings"]], (time.monotonic() - start) * 1000


def first_answer(url: str) -> None:
    """Wait for the first answer: a node learns a moment later that an endpoint is ready."""
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
    while True:
        try:
            embed(url, [SENTENCE])
        except urllib.error.URLError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{url}: no answer within {FIRST_ANSWER_SECONDS} s: {error}")
            time.sleep(0.1)
        else:
            return


def cosine(one: list[float], other: list[float]) -> float:
    """Give the cosine similarity of two vectors."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


def main(urls: list[str]) -> None:
    """Ask each server, and print what it says."""
    heads = set()
    for url in urls:
        first_answer(url)
        vectors, milliseconds = embed(url, [SENTENCE, *OTHERS])
        head = ", ".join(f"{value:+.4f}" for value in vectors[0][:HEAD])
        heads.add(head)
        similar, different = (cosine(vectors[0], vector) for vector in vectors[1:])
        print(f"{url}: {len(vectors[0])} dimensions, three sentences in {milliseconds:.0f} ms")
        print(f"  {SENTENCE!r} -> [{head}, …]")
        print(f"  similarity {similar:+.3f} with {OTHERS[0]!r}")
        print(f"  similarity {different:+.3f} with {OTHERS[1]!r}", flush=True)
        if similar <= different:
            sys.exit(f"expected the sentence that means the same to be nearer, got {similar} <= {different}.")
    if len(heads) != len(urls):
        sys.exit("expected a different vector of each model, got the same.")


if __name__ == "__main__":
    main(sys.argv[1:])
