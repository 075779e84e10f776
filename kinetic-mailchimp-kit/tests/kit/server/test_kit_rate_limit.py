"""The limit of failures: per key, sliding, and with a bound on what is remembered."""

from __future__ import annotations

from kinetic_mailchimp.kit.server.rate_limit import MOST_KEYS, WINDOW_SECONDS, RateLimit


def test_a_key_waits_until_its_oldest_failure_is_a_minute_old() -> None:
    now = 100.0
    limit = RateLimit(2, lambda: now)
    limit.count("one")
    now += 20
    limit.count("one")
    assert (limit.wait("one"), limit.wait("other")) == (41, 0)
    now += WINDOW_SECONDS - 20
    assert limit.wait("one") == 0
    limit.count("one")
    assert limit.wait("one") == 21, "the failure of 40 seconds ago still counts"


def test_a_failure_after_the_wait_is_let_pass() -> None:
    now = 0.0
    limit = RateLimit(2, lambda: now)
    for _ in range(2):
        limit.count("somebody")
    assert limit.wait("somebody")
    assert not limit.wait("somebody else")
    now = WINDOW_SECONDS
    assert not limit.wait("somebody")
    limit.count("somebody")
    assert not limit.wait("somebody")


def test_zero_is_no_limit() -> None:
    limit = RateLimit(0)
    limit.count("somebody")
    assert limit.wait("somebody") == 0


def test_a_bounded_number_of_keys_is_remembered() -> None:
    limit = RateLimit(1, lambda: 0.0)
    for number in range(MOST_KEYS + 1):
        limit.count(str(number))
    assert not limit.wait("0")
    assert limit.wait("1")
