"""Prometheus metrics, in the service's own registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from unmask.detect.verdict import Verdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
_CLIP_SECONDS = (0.5, 1, 2, 5, 10, 20, 60, 120, 300)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of the service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.in_progress = Gauge("unmask_requests_in_progress", "Requests in progress", registry=self.registry)
        self.body_bytes = Gauge("unmask_body_bytes", "Bytes of request bodies in memory", registry=self.registry)
        self.waiting = Gauge("unmask_pictures_waiting", "Images waiting or in progress", registry=self.registry)
        self._requests = Counter(
            "unmask_requests_total", "Requests", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "unmask_request_seconds",
            "Response time in seconds",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._images = Counter("unmask_pictures_total", "Images by result", ("outcome",), registry=self.registry)
        self._verdicts = Counter("unmask_verdicts_total", "Images by verdict", ("verdict",), registry=self.registry)
        self._marked = Counter(
            "unmask_pictures_marked_total", "Images whose file has marks of its making", registry=self.registry
        )
        self.dropped = Counter(
            "unmask_pictures_dropped_total",
            "Images dropped: client disconnected or deadline passed",
            registry=self.registry,
        )
        self.turned_away = Counter(
            "unmask_pictures_turned_away_total", "Images rejected because the queue was full", registry=self.registry
        )
        self.batch = Histogram(
            "unmask_batch_pictures",
            "Images per run of the network",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.clips_waiting = Gauge("unmask_clips_waiting", "Clips waiting or in progress", registry=self.registry)
        self.clips = Counter(
            "unmask_clips_total", "Clips by verdict, failed or cancelled", ("outcome",), registry=self.registry
        )
        self.clips_turned_away = Counter(
            "unmask_clips_turned_away_total", "Clips rejected because the queue was full", registry=self.registry
        )
        self.clip_frames = Counter("unmask_clip_frames_total", "Frames of clips judged", registry=self.registry)
        self._clip_seconds = Histogram(
            "unmask_clip_seconds",
            "Time to judge a clip in seconds",
            buckets=_CLIP_SECONDS,
            registry=self.registry,
        )

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; status 0 means that the client disconnected before the response."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_verdict(self, verdict: Verdict) -> None:
        """Count one image by its result, its verdict and its marks."""
        self._images.labels(verdict.result or "unreadable").inc()
        self._verdicts.labels(verdict.verdict or "unreadable").inc()
        self._marked.inc(bool(verdict.marks))

    def observe_clip(self, verdict: str, seconds: float) -> None:
        """Count one clip by its verdict."""
        self.clips.labels(verdict).inc()
        self._clip_seconds.observe(seconds)

    def text(self) -> bytes:
        """Format all metrics as Prometheus text."""
        return generate_latest(self.registry)
