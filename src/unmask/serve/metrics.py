"""Counts for Prometheus, in a registry of the service's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from unmask.detect.verdict import Verdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All that is counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.in_progress = Gauge("unmask_requests_in_progress", "Requests being answered", registry=self.registry)
        self.body_bytes = Gauge("unmask_body_bytes", "Bodies of requests in memory", registry=self.registry)
        self.waiting = Gauge("unmask_pictures_waiting", "Images waiting or in work", registry=self.registry)
        self._requests = Counter(
            "unmask_requests_total", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "unmask_request_seconds",
            "Time to answer",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._images = Counter("unmask_pictures_total", "Images judged", ("outcome",), registry=self.registry)
        self.dropped = Counter(
            "unmask_pictures_dropped_total", "Images given up: client gone or too late", registry=self.registry
        )
        self.turned_away = Counter(
            "unmask_pictures_turned_away_total", "Images refused by a full queue", registry=self.registry
        )
        self.batch = Histogram(
            "unmask_batch_pictures", "Images in one run", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry
        )

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; a status of 0 is a client that left before its answer."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_verdict(self, verdict: Verdict) -> None:
        """Count one image."""
        self._images.labels(verdict.result or "unreadable").inc()

    def text(self) -> bytes:
        """All counts in Prometheus's text format."""
        return generate_latest(self.registry)
