"""The part of ``make demo-real`` that calls models through the gateway, by unmodified clients."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import cohere
import openai

from tests.cluster.chat import CHAT
from tests.cluster.chat import TEMPLATE as CHAT_TEMPLATE
from tests.cluster.embedding import SERVER
from tests.cluster.gateway.streams import FULL_LENGTH, QUESTION, CutError, Streams, chat, client
from tests.cluster.shown import DemoError, get, items_of, patch, run_shown, say, shown_key, wait

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kubectl import Kubectl

PUBLIC_APIS = f"{SERVER.manifests}/public-apis.yaml"
OTHER_NAMESPACE = "team-b"
TEXTS = ["The cat sits on the mat.", "A kitten is resting on a rug."]
RANKED_BY = "What do dogs do?"
DOCUMENTS = ["Interest rates were raised.", "A puppy chases its tail.", "The ship left the harbour."]
WIDTHS = {"default": 384, OTHER_NAMESPACE: 256}
"""Dimensions of the model ``embedder`` of each namespace: two models of one name."""
TOLERANCE = 1e-5
RECOVERY_SECONDS = 120.0


def show_gateway(kubectl: Kubectl, gateway: GatewayProcess) -> None:
    """Show the gateway in front of real models.

    Raises
    ------
    DemoError
        When something is not as it should be.
    """
    say("A chat model, and models with OpenAI's and Cohere's APIs, all from PyPI packages:")
    run_shown(kubectl, "apply", "-f", f"{CHAT.manifests}/chat.yaml")
    run_shown(kubectl, "apply", "-f", PUBLIC_APIS)
    models = [f"modelinstance/{name}" for name in ("chat", "embedder", "reranker")]
    wait(kubectl, *models, "--for=condition=Ready")
    say(
        "The gateway has registered them by itself. Here it is a process of this machine in the node's\n"
        f"network, not the pods of manifests/overlays/gateway; it listens at {gateway.url}.\n"
        "A key for the models of this namespace, as an application gets it (printed once, not shown here):"
    )
    key = shown_key(kubectl, "demo")
    _show_clients(gateway.url, key)
    _show_wrong_key(gateway.url)
    _show_names(kubectl, gateway.url, key)
    _show_roll_out(kubectl, gateway.url, key)
    _show_killed_worker(kubectl, gateway.url, key)


def _show_clients(url: str, key: str) -> None:
    say("The client of OpenAI, unmodified, streams a chat:")
    print(f'>>> client = openai.OpenAI(base_url="{url}/v1", api_key=KEY)')
    print(_chat_call("chat"))
    with client(url, key) as given:
        begin = time.monotonic()
        times, text = [], ""
        for piece in chat(given, "chat"):
            times.append(time.monotonic() - begin)
            text += piece
            print(piece, end="", flush=True)
        print(f"\n# {len(times)} pieces; the first after {times[0]:.2f} s, the last after {times[-1]:.2f} s")
        _require("Paris" in text, "the model to name Paris")
        _require(len(times) > 2 and times[-1] > times[0], "pieces one after the other")

        say(
            "Embeddings by the same client. embedder has OpenAI's API itself; minilm, with the same\n"
            "weights, has the platform's, and the gateway translates:"
        )
        vectors = {name: _embed(given, name) for name in ("embedder", "minilm")}
    apart = max(
        abs(one - other)
        for pair in zip(*vectors.values(), strict=True)
        for one, other in zip(*pair, strict=True)
    )
    _require(apart < TOLERANCE, "the same vectors from both")
    print(f"# The vectors of both are the same: their largest difference in a dimension is {apart:.1e}.")

    say("The client of Cohere ranks documents:")
    print(f'>>> client = cohere.ClientV2(KEY, base_url="{url}")')
    print(f">>> documents = {_literal(DOCUMENTS)}")
    print(f'>>> client.rerank(model="reranker", query="{RANKED_BY}", documents=documents)')
    with cohere.ClientV2(key, base_url=url) as ranking:
        results = ranking.rerank(model="reranker", query=RANKED_BY, documents=DOCUMENTS).results
    for result in results:
        print(f"{result.relevance_score:+.3f}  {DOCUMENTS[result.index]}")
    _require(DOCUMENTS[results[0].index].startswith("A puppy"), "the dog first")


def _embed(given: openai.OpenAI, model: str) -> list[list[float]]:
    data = given.embeddings.create(model=model, input=TEXTS).data
    vectors = [each.embedding for each in data]
    similarity = sum(one * other for one, other in zip(*vectors, strict=True))
    print(_embeddings_call(model))
    print(f"{len(vectors[0])} dimensions, similarity of the two sentences {similarity:+.3f}")
    return vectors


def _show_wrong_key(url: str) -> None:
    say("A wrong key is refused:")
    with client(url, "no.such.key") as given:
        _expect(openai.AuthenticationError, given, "chat")


def _show_names(kubectl: Kubectl, url: str, key: str) -> None:
    say(f"Namespace {OTHER_NAMESPACE} gets a model of the same name, embedder, with other weights:")
    run_shown(kubectl, "create", "namespace", OTHER_NAMESPACE)
    template = SERVER.template("openai-embeddings")
    instance: dict[str, Any] = {
        "apiVersion": template["apiVersion"],
        "kind": "ModelInstance",
        "metadata": {"name": "embedder"},
        "spec": {
            "model_template_id": "openai-embeddings",
            "model_creation_parameters": {"MODEL_NAME": "wordllama-l2-supercat-256"},
        },
    }
    inside = f"--namespace={OTHER_NAMESPACE}"
    run_shown(kubectl, "apply", inside, "-f", "-", documents=[template, instance])
    wait(kubectl, inside, "modelinstance/embedder", "--for=condition=Ready")
    say("For the first key that model does not exist, and the name means its own:")
    full = {namespace: f"{namespace}/embedder" for namespace in WIDTHS}
    with client(url, key) as given:
        _require(len(_embed(given, "embedder")[0]) == WIDTHS["default"], "the model of its own namespace")
        _expect(openai.NotFoundError, given, full[OTHER_NAMESPACE], embeddings=True)
    say("For a key for both, the name alone is ambiguous, and each full name means one model:")
    both = shown_key(kubectl, "both", *(f"--model={name}" for name in full.values()))
    with client(url, both) as given:
        _expect(openai.BadRequestError, given, "embedder", embeddings=True, code="model_ambiguous")
        for namespace, name in full.items():
            _require(len(_embed(given, name)[0]) == WIDTHS[namespace], f"the model of {namespace}")
        listed = sorted(each.id for each in given.models.list())
    print(f">>> client.models.list()\n{', '.join(listed)}")
    _require(listed == sorted(full.values()), "the two models of the key")
    run_shown(kubectl, "delete", inside, "modelinstance", "embedder", "--timeout=60s")


def _show_roll_out(kubectl: Kubectl, url: str, key: str) -> None:
    say(
        "The template of the chat model is edited while two clients stream answers, and a third one\n"
        "sends short requests, without a pause and without a second try:"
    )
    old = _pods(kubectl, "chat")
    edit = {"vendor_configuration": {"bundle_config": {"env": {"FINISH_SECONDS": "61"}}}}
    with Streams(url, key, "chat") as streams:
        begin = time.monotonic()
        patch(kubectl, f"modeltemplate/{CHAT_TEMPLATE}", edit)
        generation = get(kubectl, f"modeltemplate/{CHAT_TEMPLATE}")["metadata"]["generation"]
        wait(kubectl, "modelinstance/chat", f"--for=jsonpath={{.status.template.generation}}={generation}")
        wait(kubectl, "modelinstance/chat", "--for=condition=Ready")
        ready = time.monotonic()
        new = _pods(kubectl, "chat")
        # The old worker finishes the answers that it has begun.
        wait(kubectl, *old, "--for=delete")
        end = time.monotonic()
        counted = streams.stop()
    say(
        f"{', '.join(old)} was replaced by {', '.join(each for each in new if each not in old)}.\n"
        f"The new worker was ready after {ready - begin:.1f} s, the old one gone after {end - begin:.1f} s.\n"
        f"The clients counted: {counted}.\n"
        f"{streams.spanning(begin)} streams were running when the template was edited, and "
        f"{streams.spanning(ready)} when the new worker was ready;\n"
        "all of these were complete."
    )
    for failure in streams.failures[:3]:
        print(f"#   {failure}")
    _require(
        not streams.failures and streams.streams > 0 and streams.requests > 0,
        "no stream to be cut, and no request to fail",
    )


def _show_killed_worker(kubectl: Kubectl, url: str, key: str) -> None:
    say(
        "The one worker of the chat model is killed in the middle of a stream. No other worker has\n"
        "that answer, and the gateway never executes a request twice: the client must get an error,\n"
        "not an answer that only looks complete."
    )
    (pod,) = _pods(kubectl, "chat")
    pieces = 0
    with client(url, key) as given:
        try:
            for _ in chat(given, "chat", max_tokens=900, extra_body=FULL_LENGTH):
                pieces += 1
                if pieces == 3:
                    run_shown(kubectl, "delete", pod, "--grace-period=0", "--force")
        except openai.OpenAIError as error:
            print(f"# After {pieces} pieces:\n{_shown(error)}")
        except CutError as error:
            raise DemoError(
                "expected an error that the client raises, got an end that looks whole."
            ) from error
        else:
            raise DemoError("expected the stream to be cut, got a whole answer.")
    _require(pieces > 3, "some pieces before")
    say(
        "Until the next worker is ready, the gateway returns 503 with the reason. A client repeats its\n"
        "request twice a second until it is answered:"
    )
    print(_chat_call("chat"))
    begin = time.monotonic()
    refused: list[str] = []
    with client(url, key) as given:
        while True:
            try:
                text = "".join(chat(given, "chat"))
                break
            except openai.APIStatusError as error:
                if time.monotonic() > begin + RECOVERY_SECONDS:
                    raise DemoError(
                        f"expected an answer within {RECOVERY_SECONDS:g} s, got {error}"
                    ) from None
                refused.append(_shown(error))
                time.sleep(0.5)
    for message in dict.fromkeys(refused):
        print(message)
    print(f"{text}\n# The next worker answered after {time.monotonic() - begin:.1f} s.")
    _require("Paris" in text, "the model to name Paris")


def _pods(kubectl: Kubectl, model: str) -> list[str]:
    found = items_of(kubectl, "pods", f"--selector=modeloperator.dev/instance={model}")
    return [f"pod/{pod['metadata']['name']}" for pod in found if "deletionTimestamp" not in pod["metadata"]]


def _expect(
    error: type[openai.APIStatusError],
    given: openai.OpenAI,
    model: str,
    *,
    embeddings: bool = False,
    code: str = "",
) -> None:
    """Call a model, and show the call and the error that it must give."""
    print(_embeddings_call(model) if embeddings else _chat_call(model))
    try:
        if embeddings:
            given.embeddings.create(model=model, input=TEXTS)
        else:
            "".join(chat(given, model))
    except error as caught:
        print(_shown(caught))
        _require(not code or caught.code == code, f"the code {code}")
    else:
        raise DemoError(f"expected the request for {model} to be refused, got an answer.")


def _chat_call(model: str) -> str:
    messages = f'[{{"role": "user", "content": "{QUESTION}"}}]'
    return f'>>> client.chat.completions.create(model="{model}", stream=True, messages={messages})'


def _embeddings_call(model: str) -> str:
    return f'>>> client.embeddings.create(model="{model}", input={_literal(TEXTS)})'


def _literal(texts: list[str]) -> str:
    return json.dumps(texts)


def _shown(error: openai.OpenAIError) -> str:
    """Return an error as its class, the HTTP status if there is one, and the message."""
    if not isinstance(error, openai.APIStatusError):
        return f"{type(error).__name__}: {error}"
    message = error.message.removeprefix(f"Error code: {error.status_code} - ")
    return f"{type(error).__name__}: {error.status_code} {message}"


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise DemoError(f"expected {what}.")
