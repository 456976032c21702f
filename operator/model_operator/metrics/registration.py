"""Makes the instruments of declared metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily

from model_operator.metrics.declaration import Metric


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """Return a registered counter."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """Return a registered gauge."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """Return a registered histogram."""
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


def family(metric: Metric) -> GaugeMetricFamily:
    """Return a gauge without values, for a collector."""
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def single(metric: Metric, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels and with its value, for a collector."""
    made = family(metric)
    made.add_metric([], value)
    return made
