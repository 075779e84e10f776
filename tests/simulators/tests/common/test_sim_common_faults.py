from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulators.common.faults import FaultPlan, InvalidRuleError, parse_rules


def plan(*rules: dict[str, Any], seed: int = 1, now: float = 0.0) -> FaultPlan:
    made = FaultPlan(seed=seed, now=lambda: now)
    made.replace(parse_rules(list(rules)))
    return made


def struck(made: FaultPlan, times: int = 10, method: str = "GET", path: str = "/x") -> list[int]:
    """The numbers of the requests that something happened to."""
    return [number for number in range(1, times + 1) if made.strikes(method, path)]


STATUS = {"kind": "status", "status": 503}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"nth": 3}, [3]),
        ({"every": 4}, [4, 8]),
        ({"after": 7}, [8, 9, 10]),
        ({"count": 2}, [1, 2]),
        ({"after": 2, "count": 3}, [3, 4, 5]),
        ({"every": 2, "count": 2}, [2, 4]),
        ({"probability": 0.0}, []),
        ({"method": "get"}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"method": "POST"}, []),
        ({"path": "^/y"}, []),
    ],
)
def test_which_requests_a_rule_strikes(match: dict[str, Any], expected: list[int]) -> None:
    assert struck(plan({"match": match, "effect": STATUS})) == expected


def test_a_rule_may_look_at_the_query() -> None:
    made = plan({"match": {"query": r"\$filter=.*Name"}, "effect": STATUS})
    queries = ("", "$top=1", "$filter=Name eq 'x'")
    assert [bool(made.strikes("GET", "/x", query)) for query in queries] == [False, False, True]


def test_requests_that_do_not_fit_are_not_counted() -> None:
    made = plan({"match": {"method": "POST", "nth": 2}, "effect": STATUS})
    struck(made, times=5)
    assert struck(made, times=3, method="POST") == [2]


@given(seed=st.integers(0, 1000), probability=st.floats(0, 1))
def test_the_same_seed_strikes_the_same_requests(seed: int, probability: float) -> None:
    rule = {"match": {"probability": probability}, "effect": STATUS}
    assert struck(plan(rule, seed=seed), 40) == struck(plan(rule, seed=seed), 40)


def test_another_seed_strikes_others_at_about_the_same_rate() -> None:
    rule = {"match": {"probability": 0.3}, "effect": STATUS}
    first, second = struck(plan(rule, seed=1), 1000), struck(plan(rule, seed=2), 1000)
    assert first != second
    assert all(220 < len(found) < 380 for found in (first, second))


def test_a_rule_added_later_leaves_the_dice_of_the_others() -> None:
    rule = {"match": {"probability": 0.5}, "effect": STATUS}
    alone = struck(plan(rule), 50)
    made = plan(rule, {"match": {"probability": 0.5}, "effect": {"kind": "latency", "seconds": 0.1}})
    first_of_two = [
        number
        for number in range(1, 51)
        if any(strike.rule.effect.kind == "status" for strike in made.strikes("GET", "/x"))
    ]
    assert first_of_two == alone


@pytest.mark.parametrize(
    ("effect", "low", "high"),
    [
        ({"distribution": "fixed", "seconds": 0.5}, 0.5, 0.5),
        ({"distribution": "uniform", "low": 0.1, "high": 0.4}, 0.1, 0.4),
        ({"distribution": "lognormal", "seconds": 0.2, "sigma": 0.1}, 0.1, 0.4),
        ({"distribution": "lognormal", "seconds": 0.0}, 0.0, 0.0),
    ],
)
def test_latencies_are_of_their_distribution(effect: dict[str, Any], low: float, high: float) -> None:
    made = plan({"effect": {"kind": "latency", **effect}})
    delays = [made.strikes("GET", "/x")[0].delay for _ in range(200)]
    assert all(low <= delay <= high for delay in delays)
    assert (len(set(delays)) > 1) is (low != high)


def test_a_maintenance_window_ends_by_the_clock() -> None:
    now = [100.0]
    made = FaultPlan(now=lambda: now[0])
    made.replace(parse_rules([{"effect": {"kind": "maintenance", "seconds": 60}}]))
    assert struck(made, 2) == [1, 2]
    now[0] = 159.0
    assert struck(made, 1) == [1]
    now[0] = 160.0
    assert struck(made, 1) == []


def test_skew_is_no_strike_and_adds_up() -> None:
    made = plan({"effect": {"kind": "skew", "seconds": 90}}, {"effect": {"kind": "skew", "seconds": -30}})
    assert struck(made) == []
    assert made.clock_skew() == 60


def test_counts_are_kept_by_name_and_begin_anew() -> None:
    rule = {"name": "bad day", "match": {"every": 2}, "effect": STATUS}
    made = plan(rule)
    struck(made)
    assert made.counts() == {"bad day": 5}
    made.replace(parse_rules([rule]))
    assert made.counts() == {"bad day": 0}


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({}, "a list of rules"),
        ([{}], "rule 0 needs an effect"),
        ([{"effect": {}}], "needs a kind"),
        ([{"effect": {"kind": "nope"}}], "kind is one of"),
        ([{"effect": {"kind": "status", "status": 418}}], "status is one of"),
        ([{"effect": {"kind": "status", "body": "yaml"}}], "body is one of"),
        ([{"effect": {"kind": "latency", "distribution": "flat"}}], "distribution is one of"),
        ([{"effect": STATUS, "match": {"verb": "GET"}}], "has no verb"),
        ([{"effect": STATUS, "match": {"path": "("}}], "not a regular expression"),
        ([{"effect": STATUS, "match": {"query": "("}}], "query is not a regular expression"),
        ([{"effect": {"kind": "rewrite", "pattern": "("}}], "pattern is not a regular expression"),
        ([{"effect": {"kind": "answer", "status": 99}}], "status is one of"),
        ([{"effect": STATUS, "match": 5}], "must be an object"),
    ],
)
def test_rules_that_are_written_wrongly(rules: object, text: str) -> None:
    with pytest.raises(InvalidRuleError, match=text):
        parse_rules(rules)
