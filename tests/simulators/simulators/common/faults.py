"""Says which requests go wrong and how: rules, repeatable from a seed."""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Kind = Literal[
    "latency", "status", "reset", "slow_body", "truncate", "skew", "maintenance", "answer", "rewrite"
]
Distribution = Literal["fixed", "uniform", "lognormal"]
Body = Literal["json", "html", "empty"]

STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Match:
    """Which requests a rule is for; every condition must hold.

    Requests that fit `method` and `path` are counted from 1; `nth`, `every` and `after` speak of that count.
    """

    method: str | None = None
    path: str = ""
    """A regular expression, searched in the path (query excluded)."""
    query: str = ""
    """A regular expression, searched in the query, without its percent signs."""
    body: str = ""
    """A regular expression, searched in the body."""
    nth: int | None = None
    every: int | None = None
    after: int = 0
    probability: float = 1.0
    count: int | None = None
    """How often the rule strikes at most."""


@dataclass(frozen=True)
class Effect:
    """What goes wrong. Which fields matter depends on `kind`."""

    kind: Kind
    # latency
    distribution: Distribution = "fixed"
    seconds: float = 0.0
    low: float = 0.0
    high: float = 0.0
    sigma: float = 0.5
    # status and maintenance
    status: int = 503
    body: Body = "json"
    retry_after: int | None = None
    # status and reset: whether the request takes effect first
    applied: bool = False
    # slow_body
    chunks: int = 8
    # truncate
    keep: float = 0.5
    disconnect: bool = False
    """Announce the whole length, then drop the connection, instead of a well-formed but cut body."""
    # answer: this one, of any status, in place of the vendor's; rewrite: the vendor's, altered
    text: str = ""
    media_type: str = ""
    """By default `application/json` of an answer, and what it was of one that is rewritten."""
    headers: Mapping[str, str] = field(default_factory=dict)
    # rewrite
    pattern: str = ""
    """A regular expression, of which each occurrence in a text answer becomes `text`."""
    encoding: str = "utf-8"

    def delay(self, dice: random.Random) -> float:
        """Seconds to wait, drawn from the distribution; `seconds` is the median of the lognormal one."""
        if self.distribution == "uniform":
            return dice.uniform(self.low, self.high)
        if self.distribution == "lognormal":
            return dice.lognormvariate(math.log(self.seconds), self.sigma) if self.seconds > 0 else 0.0
        return self.seconds


@dataclass(frozen=True)
class Rule:
    """One thing that goes wrong, under a name that the request log shows."""

    name: str
    match: Match
    effect: Effect


class InvalidRuleError(ValueError):
    """A rule that a caller of the control API wrote down wrongly."""


def _build(cls: Callable[..., Any], given: Any, known: Iterable[str], where: str) -> Any:
    if not isinstance(given, Mapping):
        raise InvalidRuleError(f"{where} must be an object")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InvalidRuleError(f"{where} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return cls(**given)


def parse_rules(given: Any) -> tuple[Rule, ...]:
    """Read rules from JSON: a list of `{"name"?, "match"?: {...}, "effect": {"kind": ...}}`.

    Raises:
        InvalidRuleError: The message says which rule and field.
    """
    if not isinstance(given, list):
        raise InvalidRuleError("faults are a list of rules")
    return tuple(_parse_rule(rule, position) for position, rule in enumerate(given))


def _parse_rule(given: Any, position: int) -> Rule:
    where = f"rule {position}"
    if not isinstance(given, Mapping) or "effect" not in given:
        raise InvalidRuleError(f"{where} needs an effect")
    if "kind" not in given["effect"]:
        raise InvalidRuleError(f"the effect of {where} needs a kind: {', '.join(get_args(Kind))}")
    match: Match = _build(
        Match, given.get("match", {}), [f.name for f in fields(Match)], f"the match of {where}"
    )
    effect: Effect = _build(
        Effect, given["effect"], [f.name for f in fields(Effect)], f"the effect of {where}"
    )
    for value, choices, name in (
        (effect.kind, get_args(Kind), "kind"),
        (effect.distribution, get_args(Distribution), "distribution"),
        (effect.body, get_args(Body), "body"),
        (effect.status, range(200, 600) if effect.kind == "answer" else sorted(STATUSES), "status"),
    ):
        if value not in choices:
            raise InvalidRuleError(f"{where}: {name} is one of {', '.join(map(str, choices))}, not {value}")
    for name, pattern in (
        ("path", match.path),
        ("query", match.query),
        ("body", match.body),
        ("pattern", effect.pattern),
    ):
        try:
            re.compile(pattern)
        except re.error as error:
            raise InvalidRuleError(f"{where}: {name} is not a regular expression: {error}") from error
    return Rule(str(given.get("name", f"{position}:{effect.kind}")), match, effect)


@dataclass
class _Tally:
    seen: int = 0
    struck: int = 0
    first_struck_at: float | None = None


@dataclass(frozen=True)
class Strike:
    """A rule that applies to the request at hand, with what the dice said for it."""

    rule: Rule
    delay: float


@dataclass
class FaultPlan:
    """The rules in force. The same seed, rules and order of requests give the same faults.

    Args:
        seed: Of all dice.
        now: A monotonic clock in seconds, for a maintenance window that ends by itself.
    """

    seed: int = 1
    now: Callable[[], float] = time.monotonic
    _rules: tuple[Rule, ...] = ()
    _tallies: list[_Tally] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._rules

    def replace(self, rules: Iterable[Rule]) -> None:
        """Put these rules in force, with all counts at zero."""
        with self._lock:
            self._rules = tuple(rules)
            self._tallies = [_Tally() for _ in self._rules]

    def counts(self) -> dict[str, int]:
        """How often each rule has struck."""
        with self._lock:
            return {rule.name: tally.struck for rule, tally in zip(self._rules, self._tallies, strict=True)}

    def clock_skew(self) -> float:
        """Seconds that the simulated server's clock is ahead (negative: behind)."""
        return sum(rule.effect.seconds for rule in self._rules if rule.effect.kind == "skew")

    @property
    def looks_at_bodies(self) -> bool:
        """Whether a rule asks for the body of a request."""
        return any(rule.match.body for rule in self._rules)

    def strikes(self, method: str, path: str, query: str = "", body: str = "") -> list[Strike]:
        """Count a request against every rule and say which ones strike, in the order of the rules."""
        with self._lock:
            struck = []
            for position, (rule, tally) in enumerate(zip(self._rules, self._tallies, strict=True)):
                strike = self._judge(position, rule, tally, (method, path, query, body))
                if strike is not None:
                    struck.append(strike)
            return struck

    def _judge(
        self, position: int, rule: Rule, tally: _Tally, request: tuple[str, str, str, str]
    ) -> Strike | None:
        match, effect = rule.match, rule.effect
        method, path, query, body = request
        fits = (
            (match.method is None or match.method.upper() == method)
            and re.search(match.path, path)
            and re.search(match.query, query)
            and re.search(match.body, body)
        )
        if effect.kind == "skew" or not fits:
            return None
        tally.seen += 1
        # Dice of its own for each rule and request: a rule added later changes nothing for the others.
        dice = random.Random(f"{self.seed}/{position}/{tally.seen}")
        struck = (
            tally.seen > match.after
            and (match.nth is None or tally.seen == match.nth)
            and (match.every is None or tally.seen % match.every == 0)
            and (match.count is None or tally.struck < match.count)
            and dice.random() < match.probability
            and not self._window_is_over(effect, tally)
        )
        if not struck:
            return None
        tally.struck += 1
        if tally.first_struck_at is None:
            tally.first_struck_at = self.now()
        return Strike(rule, effect.delay(dice))

    def _window_is_over(self, effect: Effect, tally: _Tally) -> bool:
        """A maintenance window of so many seconds begins with the first request it refuses."""
        return (
            effect.kind == "maintenance"
            and effect.seconds > 0
            and tally.first_struck_at is not None
            and self.now() - tally.first_struck_at >= effect.seconds
        )
