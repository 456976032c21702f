"""What the page of models shows: the models that match a search, page by page, with their state in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.gateway.snippets import Snippet, Use, example_body, path_of, snippets_of, use_of

SIZES: Final = (25, 50, 100)
"""Numbers of models that a page may have."""
_MAX_TEXT: Final = 200
_MAX_DETAIL: Final = 2000
_MAX_TITLE: Final = 200
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")
_HOST: Final = re.compile(r"([A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_NAME: Final = attrgetter("id")
_SCHEMES: Final = frozenset({"http", "https"})

IsReady = Callable[[Deployment], bool]
"""Whether a deployment has a ready worker."""


class PageState(StrEnum):
    """The state of a model, as a caller meets it."""

    READY = "Ready"
    """All workers are rolled out, and one is ready."""
    ANSWERS = "Answers"
    """A worker is ready, but the instance is not."""
    NOT_READY = "Not ready"
    """No worker is ready: a call gets 503."""


_STATES: Final = " ".join(PageState).casefold()


@dataclass(frozen=True, slots=True)
class PageDeployment:
    """A deployment of a model that has several.

    Attributes
    ----------
    name
        Its name at the gateway.
    weight
        Its share of the requests that name the model alone, 0 to 100.
    is_ready
        Whether it has a ready worker.
    """

    name: str
    weight: int
    is_ready: bool


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A model on the page.

    Attributes
    ----------
    name
        Its name at the gateway.
    title
        Its name for people; empty without one.
    types
        What it does.
    state, reason, detail
        State; reason of the Ready condition and what that says, empty when the model is ready.
    template_kind, template
        Template of the instance; empty until it is bound to one.
    base_urls
        Base URL for OpenAI's clients where the model has one of their APIs, and for all others.
    deployments
        Its deployments, where there are several.
    snippets
        Code that calls it.
    use, path, example
        What the form to try it is for, where it sends a request, and an example of one, as JSON.
    """

    name: str
    title: str
    types: tuple[str, ...]
    state: PageState
    reason: str
    detail: str
    template_kind: str
    template: str
    base_urls: tuple[str, ...]
    deployments: tuple[PageDeployment, ...]
    snippets: tuple[Snippet, ...]
    use: Use
    path: str
    example: str


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A search.

    Attributes
    ----------
    text
        Words that a model must have in one of its names, type, template or state; all when empty.
    number
        Number of the page, from 1.
    size
        Number of models on a page.
    """

    text: str = ""
    number: int = 1
    size: int = SIZES[0]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what was found.

    Attributes
    ----------
    entries
        The models on it, in the order of their names.
    found
        Number of models that match, on all pages.
    executable
        Number of models that the caller may execute.
    number, last
        Number of this page, and of the last one.
    """

    entries: tuple[PageEntry, ...]
    found: int
    executable: int
    number: int
    last: int


def read_query(query: Mapping[str, str]) -> PageQuery:
    """Return the search that the parameters ``q``, ``page`` and ``size`` state.

    Raises
    ------
    Failure
        ``INVALID_REQUEST`` with the name of a parameter that is not as expected.
    """
    text = query.get("q", "")
    if len(text) > _MAX_TEXT:
        raise _invalid("q", f"at most {_MAX_TEXT} characters, got {len(text)}")
    sizes = {str(size): size for size in SIZES}
    size = query.get("size") or str(SIZES[0])
    if size not in sizes:
        raise _invalid("size", f"one of {', '.join(sizes)}, got another value")
    number = query.get("page") or "1"
    if not _NUMBER.fullmatch(number):
        raise _invalid("page", "a number from 1 to 999999, got another value")
    return PageQuery(text, int(number), sizes[size])


def base_url_of(scheme: str, host: str, forwarded_scheme: str = "") -> str:
    """Return the address by which a client reached the gateway, without a slash at its end.

    Parameters
    ----------
    scheme
        Scheme of the connection.
    host
        Header ``Host``.
    forwarded_scheme
        Header ``X-Forwarded-Proto`` of a proxy that ends TLS. It changes what is shown to the client that
        sent it, and nothing else.

    Raises
    ------
    Failure
        ``INVALID_REQUEST`` if the header ``Host`` names no host.
    """
    if not _HOST.fullmatch(host):
        raise _invalid("Host", "the name or address of a host in the header, got another value")
    forwarded = forwarded_scheme.partition(",")[0].strip().lower()
    return f"{forwarded if forwarded in _SCHEMES else scheme}://{host}"


def page_of(query: PageQuery, models: Sequence[Model], is_ready: IsReady, base_url: str) -> Page:
    """Return a page; a number beyond the last page means the last one.

    Parameters
    ----------
    query
        The search.
    models
        All models that the caller may execute.
    is_ready
        Whether a deployment has a ready worker.
    base_url
        Address of the gateway, without a slash at its end.
    """
    words = query.text.casefold().split()
    found = [model for model in models if _matches(model, words, is_ready)] if words else list(models)
    found.sort(key=_NAME)
    last = max(1, -(-len(found) // query.size))
    number = min(query.number, last)
    shown = found[(number - 1) * query.size : number * query.size]
    entries = tuple(_entry(model, is_ready, base_url) for model in shown)
    return Page(entries, len(found), len(models), number, last)


def _matches(model: Model, words: Sequence[str], is_ready: IsReady) -> bool:
    """Return whether a model has all words; what takes longer is read only for those that are left."""
    name = model.id.casefold()
    left = [word for word in words if word not in name]
    if left:
        types = [each.model_type for each in model.deployments]
        text = " ".join((model.title, model.template, model.not_ready_reason, *types)).casefold()
        left = [word for word in left if word not in text]
    if not left:
        return True
    if not all(word in _STATES for word in left):
        return False
    state = _state(model, is_ready).casefold()
    return all(word in state for word in left)


def _entry(model: Model, is_ready: IsReady, base_url: str) -> PageEntry:
    use = use_of(model)
    several = model.deployments if len(model.deployments) > 1 else ()
    detail = model.not_ready_detail
    return PageEntry(
        name=model.id,
        title=model.title if len(model.title) <= _MAX_TITLE else f"{model.title[:_MAX_TITLE]}…",
        types=_types(model),
        state=_state(model, is_ready),
        reason=model.not_ready_reason,
        detail=detail if len(detail) <= _MAX_DETAIL else f"{detail[:_MAX_DETAIL]}…",
        template_kind=model.template_kind,
        template=model.template,
        base_urls=_base_urls(use, base_url),
        deployments=tuple(
            PageDeployment(f"{model.id}/{each.entry or each.name}", each.weight, is_ready(each))
            for each in several
        ),
        snippets=snippets_of(model, base_url),
        use=use,
        path=path_of(model),
        example=json.dumps(example_body(model), indent=2),
    )


def _base_urls(use: Use, base_url: str) -> tuple[str, ...]:
    """Return the base URLs of a model: OpenAI's clients take the version of the API as a part of it."""
    has_openai = use in (Use.CHAT, Use.COMPLETION, Use.EMBEDDING)
    return (f"{base_url}/v1", base_url) if has_openai else (base_url,)


def _types(model: Model) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.model_type.value for each in model.deployments))


def _state(model: Model, is_ready: IsReady) -> PageState:
    if not any(is_ready(each) for each in model.deployments):
        return PageState.NOT_READY
    return PageState.ANSWERS if model.not_ready_reason else PageState.READY


def _invalid(name: str, expected: str) -> Failure:
    return Failure(
        FailureReason.INVALID_REQUEST, f"{name}: expected {expected}. Action (user): correct it.", (name,)
    )
