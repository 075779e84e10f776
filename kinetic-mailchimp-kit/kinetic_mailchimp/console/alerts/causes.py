"""Which facts are worth a message: one rule per kind of cause, pure functions over facts and limits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from kinetic_mailchimp.audit.cli.render import moment, number_of
from kinetic_mailchimp.audit.trail.drift import RECONCILE
from kinetic_mailchimp.console.alerts.facts import Facts, RunFact
from kinetic_mailchimp.kit.timestamps import format_timestamp

_MOST_WORDS: Final = 200
_MOST_PROBLEMS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on a fact is worth a message.

    Args:
        inactive: A run that says it runs and wrote nothing for so long was killed.
        failures: More failed records of one target than this.
        opt_out_age: An opt-out that has not arrived for so long.
        drift: More differences in the last comparison than this.
        accepted: Kinds of differences that do not count.
    """

    inactive: timedelta = timedelta(minutes=30)
    failures: int = 10
    opt_out_age: timedelta = timedelta(minutes=60)
    drift: int = 0
    accepted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that a person must see to.

    Args:
        kind: The rule that found it.
        scope: What it is about, such as a target: two causes of one kind differ in it.
        what: What is wrong, in one sentence.
        advice: What to do.
        since: Since when, as stored; None where only the first look at it tells.
    """

    kind: str
    scope: str
    what: str
    advice: str
    since: str | None = None

    @property
    def key(self) -> str:
        """The name by which it is known again."""
        return f"{self.kind}:{self.scope}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say.

    Args:
        causes: What is wrong.
        kinds: The rules that had the facts they need: of the others, nothing is known to be over.
    """

    causes: tuple[Cause, ...]
    kinds: frozenset[str]


Rule = Callable[[Facts, Limits, datetime], "Iterator[Cause] | None"]
"""Finds causes; None where the facts it needs were not looked at."""


def judge(facts: Facts, limits: Limits, now: datetime) -> Judgement:
    """Apply every rule."""
    found = {kind: rule(facts, limits, now) for kind, rule in RULES.items()}
    causes = tuple(cause for of_kind in found.values() if of_kind is not None for cause in of_kind)
    return Judgement(causes, frozenset(kind for kind, of_kind in found.items() if of_kind is not None))


def _failed_runs(facts: Facts, limits: Limits, now: datetime) -> Iterator[Cause]:
    silent_since = format_timestamp(now - limits.inactive)
    for lane, runs in facts.lanes.items():
        last_good = next((run.id for run in runs if run.status == "succeeded"), 0)
        bad = [run for run in runs if run.id > last_good and _is_bad(run, silent_since)]
        if not bad:
            continue
        newest, first = bad[0], bad[-1]
        how = (
            "failed"
            if newest.status == "failed"
            else f"was killed: it wrote last at {moment(newest.active_at)} UTC"
        )
        before = f" It is number {len(bad)} in a row." if len(bad) > 1 else ""
        yield Cause(
            kind="run_failed",
            scope=lane,
            what=f"Run {newest.id} of {lane} {how}.{before}",
            since=first.finished_at or first.active_at,
            advice=f"`sync-audit run {newest.id}` tells how far it came and why it ended. Start the pipeline "
            "again: it goes on where the state is, and what is written already is recognised.",
        )


def _is_bad(run: RunFact, silent_since: str) -> bool:
    if run.status == "running":
        # One that follows may be idle for hours; where its process can be seen, it is asked for.
        return run.active_at < silent_since and not run.is_alive
    return run.status == "failed"


def _failures(facts: Facts, limits: Limits, _now: datetime) -> Iterator[Cause]:
    letters = {letter.plugin: letter for letter in facts.letters}
    newest: dict[str, RunFact] = {}
    for run in sorted((run for runs in facts.lanes.values() for run in _newest(runs)), key=_by_failures):
        if run.failures > limits.failures:
            newest[run.plugin] = run
    for plugin in sorted({*letters, *newest}):
        letter, failing = letters.get(plugin), newest.get(plugin)
        told = []
        since = []
        if failing:
            told.append(f"{number_of(failing.failures, 'record')} failed in run {failing.id}")
            since.append(failing.started_at)
        if letter and letter.waiting > limits.failures:
            told.append(f"{number_of(letter.waiting, 'dead letter')} left waiting")
            since.append(letter.oldest)
        if told:
            yield Cause(
                kind="failures",
                scope=plugin,
                what=f"{plugin}: {' and '.join(told)}; the limit is {limits.failures:,}.",
                since=min(since),
                advice=f"`sync-audit failures --plugin {plugin}` shows them and why. Mend the cause, then "
                f'`sync-audit replay --plugin {plugin} --into "meltano invoke {plugin}"`.',
            )


def _by_failures(run: RunFact) -> int:
    return run.failures


def _newest(runs: tuple[RunFact, ...]) -> Iterator[RunFact]:
    """The newest run; also the last that ended, where that one has only begun and says little yet."""
    for run in runs:
        yield run
        if run.finished_at:
            return


def _late_opt_outs(facts: Facts, limits: Limits, now: datetime) -> Iterator[Cause]:
    latest = format_timestamp(now - limits.opt_out_age)
    for letter in facts.letters:
        if letter.oldest_opt_out is None or letter.oldest_opt_out > latest:
            continue
        side = _SIDES.get(letter.plugin, f"The system behind {letter.plugin}")
        yield Cause(
            kind="opt_out_waiting",
            scope=letter.plugin,
            what=f"{side} does not know of {number_of(letter.opt_outs, 'opt-out')} that could not be "
            "written.",
            since=letter.oldest_opt_out,
            advice="Nobody must be written to meanwhile. `sync-audit failures` shows why; mend it, then "
            f'`sync-audit replay --plugin {letter.plugin} --into "meltano invoke {letter.plugin}"`.',
        )


_SIDES: Final = MappingProxyType({"target-epicor-contacts": "Epicor", "target-mailchimp": "Mailchimp"})


def _unread(facts: Facts, limits: Limits, now: datetime) -> Iterator[Cause] | None:
    if facts.receiver is None or facts.receiver.oldest_unread_seconds is None:
        return None
    return _unread_causes(facts.receiver.oldest_unread_seconds, facts.receiver.unread, limits, now)


def _unread_causes(oldest: float, unread: int | None, limits: Limits, now: datetime) -> Iterator[Cause]:
    age = timedelta(seconds=oldest)
    if age > limits.opt_out_age:
        yield Cause(
            kind="events_unread",
            scope="inbox",
            what=f"Unread in the receiver's inbox: {number_of(unread, 'event') if unread else 'some events'}"
            "; opt-outs that Epicor does not know may be among them.",
            since=format_timestamp(now - age),
            advice="See why the reverse pipeline does not run (`sync-audit runs`, and its schedule), or "
            "start it: `meltano run reverse`.",
        )


def _receiver(facts: Facts, _limits: Limits, _now: datetime) -> Iterator[Cause] | None:
    return None if facts.receiver is None else _receiver_causes(facts.receiver.problems)


def _receiver_causes(problems: tuple[str, ...]) -> Iterator[Cause]:
    if problems:
        yield Cause(
            kind="receiver",
            scope="readyz",
            what=f"The receiver of webhooks does not take events: {_words(problems)}",
            advice="Mend or restart it (`mailchimp-webhooks serve`). Mailchimp repeats a delivery for 75 "
            "minutes; what is older, the catch-up of the next reverse run finds.",
        )


def _webhooks(facts: Facts, _limits: Limits, _now: datetime) -> Iterator[Cause] | None:
    if facts.webhooks is None:
        return None
    return (
        Cause(
            kind="webhook",
            scope=hook.list_id,
            what=f"The webhook of audience {hook.list_id} {_VERDICTS[hook.verdict][0]}.",
            since=_as_stored(hook.last_event_at),
            advice=_VERDICTS[hook.verdict][1],
        )
        for hook in {hook.list_id: hook for hook in facts.webhooks if hook.verdict in _VERDICTS}.values()
    )


_REGISTER_ANEW: Final = (
    "See that the receiver answers at its public address, then `mailchimp-webhooks unregister` and "
    "`register`. The catch-up of each reverse run finds opt-outs meanwhile."
)
_VERDICTS: Final = MappingProxyType(
    {
        "looks_disabled": ("looks disabled: things happened that it did not tell", _REGISTER_ANEW),
        "incomplete": ("does not tell all events", "Run `mailchimp-webhooks register` again."),
        "missing": ("is not there", "Run `mailchimp-webhooks register`."),
    }
)


def _webhook_status(facts: Facts, _limits: Limits, _now: datetime) -> Iterator[Cause] | None:
    if facts.webhooks is None and not facts.webhooks_unknown:
        return None
    unknown = Cause(
        kind="webhook_status",
        scope="command",
        what="Whether the webhooks are alive is not known: their status could not be read.",
        advice="Run `mailchimp-webhooks status --json` by itself: it says what is wrong.",
    )
    return iter((unknown,) if facts.webhooks_unknown else ())


def _drift(facts: Facts, limits: Limits, _now: datetime) -> Iterator[Cause] | None:
    # A part that was compared says neither that both sides differ nor that they agree again.
    return _drift_causes(facts, limits) if all(part.is_whole for part in facts.comparisons) else None


def _drift_causes(facts: Facts, limits: Limits) -> Iterator[Cause]:
    kinds: Counter[str] = Counter()
    for comparison in facts.comparisons:
        kinds.update(comparison.differences(limits.accepted))
    if kinds.total() > limits.drift:
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        yield Cause(
            kind="drift",
            scope=RECONCILE,
            what=f"Both sides differ in {number_of(kinds.total(), 'place')} ({told}); the limit is "
            f"{limits.drift:,}.",
            since=max(comparison.finished_at or "" for comparison in facts.comparisons),
            advice="`sync-audit drift --format csv` lists them; docs/reconcile.md says for each kind what to "
            "do. Then compare again: `meltano run reconcile`.",
        )


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "run_failed": _failed_runs,
        "failures": _failures,
        "opt_out_waiting": _late_opt_outs,
        "events_unread": _unread,
        "receiver": _receiver,
        "webhook": _webhooks,
        "webhook_status": _webhook_status,
        "drift": _drift,
    }
)


def _words(texts: tuple[str, ...]) -> str:
    """What another program says, cut short, and without anything that looks like an address."""
    plain = " ".join(" ".join(texts[:_MOST_PROBLEMS]).split())
    told = re.sub(r"\S*@\S*", "(left out)", plain)
    told = "".join(letter for letter in told if letter.isprintable())
    return told if len(told) <= _MOST_WORDS else f"{told[:_MOST_WORDS]}…"


def _as_stored(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return format_timestamp(when) if when.tzinfo else None
