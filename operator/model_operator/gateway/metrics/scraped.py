"""Metrics that are computed at each scrape: of models, workers and watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import Metric as Samples
from prometheus_client.registry import Collector

from model_operator.gateway.metrics import declared
from model_operator.metrics.registration import family, single


class EndpointCounts(NamedTuple):
    """The workers of one deployment.

    Attributes
    ----------
    model
        Id of its model.
    ready
        Workers that get requests.
    set_aside
        Workers that did not accept a connection, and get none for some seconds.
    """

    model: str
    ready: int
    set_aside: int


class ScrapedState(Collector):
    """Reports what the gateway knows at the time of a scrape.

    Parameters
    ----------
    models
        Returns the number of registered models.
    endpoints
        Returns the workers of each deployment.
    watch_ages
        Returns the seconds since each watch, by the plural of its resource, has heard of the API server.
    """

    def __init__(
        self,
        *,
        models: Callable[[], int],
        endpoints: Callable[[], Iterable[EndpointCounts]],
        watch_ages: Callable[[], Mapping[str, float]],
    ) -> None:
        self._models = models
        self._endpoints = endpoints
        self._watch_ages = watch_ages

    def describe(self) -> Iterator[Samples]:
        """Yield the metrics of :meth:`collect` without values."""
        for metric in (declared.MODELS, declared.ENDPOINTS, declared.WATCH_AGE):
            yield family(metric)

    def collect(self) -> Iterator[Samples]:
        """Yield the values."""
        yield single(declared.MODELS, self._models())
        sums: dict[str, tuple[int, int]] = {}
        for each in self._endpoints():
            ready, set_aside = sums.get(each.model, (0, 0))
            sums[each.model] = ready + each.ready, set_aside + each.set_aside
        endpoints = family(declared.ENDPOINTS)
        for model, counts in sums.items():
            for state, count in zip(("ready", "set_aside"), counts, strict=True):
                endpoints.add_metric([model, state], count)
        yield endpoints
        ages = family(declared.WATCH_AGE)
        for resource, age in self._watch_ages().items():
            ages.add_metric([resource], age)
        yield ages
