"""What a server tells of itself to Prometheus: how many, how long, what was refused, and where scores drift."""

import threading
from collections import deque
from collections.abc import Mapping
from statistics import fmean
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from twinset.records import Answer

_STAGES: Final = ("receive", "decode", "embed", "search", "render")
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SCORES: Final = tuple(step / 20 for step in range(-4, 21))
_RECENT: Final = 1000
"""Answers whose first scores are compared with those of the calibration."""
_ENOUGH: Final = 100
"""Fewer tell nothing."""


class Telemetry:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "twinset_requests", "Requests, by route and status", ("route", "status"), registry=self._registry
        )
        self._refused = Counter("twinset_refusals", "Refusals, by code", ("code",), registry=self._registry)
        self._seconds = Histogram(
            "twinset_stage_seconds", "Seconds of a search", ("stage",), buckets=_SECONDS, registry=self._registry
        )
        self._first = Histogram(
            "twinset_first_score", "The first hit's score", ("catalogue",), buckets=_SCORES, registry=self._registry
        )
        self._nothing = Counter(
            "twinset_nothing_close", "Answers with nothing close", ("catalogue",), registry=self._registry
        )
        self.waiting = Gauge("twinset_queue", "Requests that wait or are served", registry=self._registry)
        self._facts = Gauge(
            "twinset_catalogue", "What a catalogue holds", ("catalogue", "what"), registry=self._registry
        )
        self._drift = Gauge(
            "twinset_score_drift",
            "Mean first score of recent answers less the calibration's, in its standard deviations",
            ("catalogue",),
            registry=self._registry,
        )
        self._recent: dict[str, tuple[str, deque[float]]] = {}
        self._lock = threading.Lock()
        for stage in _STAGES:
            self._seconds.labels(stage)

    def served(self, route: str, status: int) -> None:
        """Counts a request by the route's pattern."""
        self._requests.labels(route, str(status)).inc()

    def refused(self, code: str) -> None:
        """Counts a refusal."""
        self._refused.labels(code).inc()

    def took(self, stage: str, seconds: float) -> None:
        """Notes how long a stage of a search took."""
        self._seconds.labels(stage).observe(seconds)

    def answered(self, answer: Answer, catalogue: str, *, plain: bool) -> None:
        """Notes the stages, and of a plain search the first score, and whether anything was close.

        A search is `plain` that a calibration is fitted on: one whole photo, nothing filtered or reordered.
        """
        for stage in ("decode", "embed", "search"):
            self.took(stage, answer.ms[stage] / 1e3)
        if plain and answer.hits:
            self._first.labels(catalogue).observe(answer.hits[0].score)
            self._nothing.labels(catalogue).inc(bool(answer.nothing_close))
            with self._lock:
                self._compare(answer, catalogue)

    def _compare(self, answer: Answer, catalogue: str) -> None:
        known, recent = self._recent.get(catalogue, ("", deque[float]()))
        if known != answer.catalogue.fingerprint:
            recent = deque(maxlen=_RECENT)
            self._recent[catalogue] = answer.catalogue.fingerprint, recent
            self._drift.remove_by_labels({"catalogue": catalogue})
        recent.append(answer.hits[0].score)
        calibrated = answer.calibration
        if calibrated is not None and calibrated.first_spread and len(recent) >= _ENOUGH:
            away = (fmean(recent) - calibrated.first_score) / calibrated.first_spread
            self._drift.labels(catalogue).set(away)

    def holds(self, catalogue: str, facts: Mapping[str, float]) -> None:
        """Tells what a catalogue holds."""
        for what, value in facts.items():
            self._facts.labels(catalogue, what).set(value)

    def page(self) -> bytes:
        """All metrics, as Prometheus reads them."""
        return generate_latest(self._registry)
