"""Counters of a receiver, for Prometheus."""

from __future__ import annotations

from functools import cache

from kinetic_mailchimp.kit.server.receiver_metrics import (
    INBOX_OLDEST_UNREAD_SECONDS,
    INBOX_UNREAD,
    REFUSED,
    UNREADABLE_SIGNING_SECRETS,
)
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tap_mailchimp_webhooks.events.event import STREAM_BY_TYPE, Arrival
from tap_mailchimp_webhooks.inbox.readers import Unread

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ReceiverMetrics:
    """The counters of one receiver, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        events = Counter(
            "mailchimp_webhooks_events",
            "Authentic deliveries by type and result.",
            ["type", "result"],
            registry=registry,
        )
        self._events = cache(events.labels)  # which takes as long as all else of a count
        self._future = Counter(
            "mailchimp_webhooks_future_events",
            "Events whose time was later than their receipt, and was cut to it.",
            registry=registry,
        )
        self._refused = Counter(
            REFUSED, "Requests that were refused, by reason.", ["reason"], registry=registry
        )
        self._seconds = Histogram(
            "mailchimp_webhooks_seconds",
            "From a delivery's arrival to its answer.",
            buckets=BUCKETS,
            registry=registry,
        )
        self._unread = Gauge(INBOX_UNREAD, "Events that a reader has not emitted yet.", registry=registry)
        age = "Age of the oldest event that a reader has not emitted yet."
        self._oldest = Gauge(INBOX_OLDEST_UNREAD_SECONDS, age, registry=registry)
        unreadable = "Signing secrets of registered webhooks that cannot be read."
        self._unreadable = Gauge(UNREADABLE_SIGNING_SECRETS, unreadable, registry=registry)

    def unreadable_secrets(self, count: int) -> None:
        """Note the number of signing secrets that cannot be read."""
        self._unreadable.set(count)

    def took(self, arrival: Arrival, *, is_new: bool, seconds: float) -> None:
        """Count a delivery that is durable."""
        # Only known names become labels: a sender must not decide how many time series there are.
        kind = arrival.type if arrival.type in STREAM_BY_TYPE else "other"
        result = "duplicate" if not is_new else "quarantined" if arrival.is_quarantined else "stored"
        self._events(kind, result).inc()
        self._seconds.observe(seconds)
        if is_new and arrival.claimed_at:
            self._future.inc()

    def refused(self, reason: str) -> None:
        """Count a request that was refused."""
        self._refused.labels(reason).inc()

    def page(self, unread: Unread) -> bytes:
        """The page that Prometheus reads."""
        self._unread.set(unread.count)
        self._oldest.set(unread.oldest_seconds)
        return generate_latest(self._registry)
