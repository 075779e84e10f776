"""Conditions that need a person: one rule per kind, each a pure function of facts and limits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from kinetic_mailchimp.audit.reading.formatting import count_of, format_counts
from kinetic_mailchimp.audit.trail.drift import RECONCILE
from kinetic_mailchimp.console.alerts.facts import AlertCondition, Facts, Rule, RunFact, as_stored
from kinetic_mailchimp.console.alerts.run_conditions import failed_jobs, failed_runs, overdue_runs
from kinetic_mailchimp.console.alerts.settings import AlertSettings
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

_MOST_LETTERS: Final = 200
_MOST_PROBLEMS: Final = 3


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of all rules.

    Args:
        kinds: The rules that had the facts they need: of the others, nothing is known to be over.
    """

    conditions: tuple[AlertCondition, ...]
    kinds: frozenset[str]


def evaluate(facts: Facts, limits: AlertSettings, now: datetime) -> Evaluation:
    """Apply every rule."""
    results = {kind: rule(facts, limits, now) for kind, rule in RULES.items()}
    found = {kind: conditions for kind, conditions in results.items() if conditions is not None}
    named = (replace(one, kind=kind) for kind, conditions in found.items() for one in conditions)
    return Evaluation(tuple(named), frozenset(found))


def _failures(facts: Facts, limits: AlertSettings, _now: datetime) -> Iterator[AlertCondition]:
    letters = {letter.plugin: letter for letter in facts.dead_letters}
    last_runs = sorted(
        (run for runs in facts.series.values() for run in _newest(runs)), key=attrgetter("failures")
    )
    worst = {run.plugin: run for run in last_runs if run.failures > limits.failures}
    for plugin in sorted({*letters, *worst}):
        letter, failing = letters.get(plugin), worst.get(plugin)
        problems, since = [], []
        if failing:
            problems.append(f"{count_of(failing.failures, 'record')} failed in run {failing.id}")
            since.append(failing.started_at)
        if letter and letter.waiting > limits.failures:
            problems.append(f"{count_of(letter.waiting, 'dead letter')} left waiting")
            since.append(letter.oldest)
        if problems:
            yield AlertCondition(
                scope=plugin,
                what=f"{plugin}: {' and '.join(problems)}; the limit is {limits.failures:,}.",
                since=min(since),
                advice=f"`sync-audit failures --plugin {plugin}` shows them and why. Fix that, then "
                f'`sync-audit replay --plugin {plugin} --into "meltano invoke {plugin}"`.',
            )


def _newest(runs: tuple[RunFact, ...]) -> Iterator[RunFact]:
    """The newest run; also the last that ended, where that one has only begun and says little yet."""
    for run in runs:
        yield run
        if run.finished_at:
            return


def _late_opt_outs(facts: Facts, limits: AlertSettings, now: datetime) -> Iterator[AlertCondition]:
    latest = format_timestamp(now - limits.opt_out_age)
    for letter in facts.dead_letters:
        if letter.oldest_opt_out is None or letter.oldest_opt_out > latest:
            continue
        system = letter.destination or f"The system behind {letter.plugin}"
        yield AlertCondition(
            scope=letter.plugin,
            what=f"{system} does not know of {count_of(letter.opt_outs, 'opt-out')} that could not be "
            "written.",
            since=letter.oldest_opt_out,
            advice="Nobody must be written to meanwhile. `sync-audit failures` shows why; fix it, then "
            f'`sync-audit replay --plugin {letter.plugin} --into "meltano invoke {letter.plugin}"`.',
        )


def _unread(facts: Facts, limits: AlertSettings, now: datetime) -> list[AlertCondition] | None:
    if facts.receiver is None or facts.receiver.oldest_unread_seconds is None:
        return None
    age, unread = timedelta(seconds=facts.receiver.oldest_unread_seconds), facts.receiver.unread
    if age <= limits.opt_out_age:
        return []
    waiting = AlertCondition(
        scope="inbox",
        what=f"Unread in the receiver's inbox: {count_of(unread, 'event') if unread else 'some events'}"
        "; opt-outs that Epicor does not know may be among them.",
        since=format_timestamp(now - age),
        advice="See why the reverse pipeline does not run (`sync-audit runs`, and its schedule), or "
        "start it: `meltano run reverse`.",
    )
    return [waiting]


def _receiver(facts: Facts, _limits: AlertSettings, _now: datetime) -> list[AlertCondition] | None:
    if facts.receiver is None:
        return None
    if not facts.receiver.problems:
        return []
    away = AlertCondition(
        scope="readyz",
        what=f"The receiver of webhooks does not take events: {_cleaned(facts.receiver.problems)}",
        advice="Fix or restart it (`mailchimp-webhooks serve`). Mailchimp repeats a delivery for 75 "
        "minutes; what is older, the catch-up of the next reverse run finds.",
    )
    return [away]


def _refused(facts: Facts, limits: AlertSettings, _now: datetime) -> list[AlertCondition] | None:
    refused = facts.receiver.refused if facts.receiver else None
    if refused is None:
        return None
    counts = {reason: refused[reason] for reason in _OURS if refused.get(reason)}
    if sum(counts.values()) <= limits.refused:
        return []
    told = format_counts({reason.replace("_", " "): count for reason, count in counts.items()})
    refusing = AlertCondition(
        scope="receiver",
        what=f"The receiver refused {count_of(sum(counts.values()), 'request')} "
        f"with the right path secret since it started ({told}); the limit is {limits.refused:,}.",
        advice="A wrong signature: run `mailchimp-webhooks unregister` and `register`. Too large: raise "
        "MAILCHIMP_WEBHOOKS_MAX_BODY_BYTES. Not stored: see its log. The catch-up finds opt-outs meanwhile.",
    )
    return [refusing]


_OURS: Final = ("wrong_signature", "too_large", "not_stored")
"""Reasons for which a delivery of Mailchimp is refused; others are those of strangers and broken lines."""


def _webhooks(facts: Facts, _limits: AlertSettings, _now: datetime) -> list[AlertCondition] | None:
    if facts.webhooks is None:
        return None
    return [
        AlertCondition(
            scope=hook.list_id,
            what=f"The webhook of audience {hook.list_id} {_VERDICTS[hook.verdict][0]}.",
            since=as_stored(hook.last_event_at),
            advice=_VERDICTS[hook.verdict][1],
        )
        for hook in {hook.list_id: hook for hook in facts.webhooks if hook.verdict in _VERDICTS}.values()
    ]


_REGISTER_AGAIN: Final = (
    "See that the receiver answers at its public address, then `mailchimp-webhooks unregister` and "
    "`register`. The catch-up of each reverse run finds opt-outs meanwhile."
)
_VERDICTS: Final = MappingProxyType(
    {
        "looks_disabled": ("looks disabled: Mailchimp has newer events than it sent", _REGISTER_AGAIN),
        "incomplete": ("does not send all events", "Run `mailchimp-webhooks register` again."),
        "missing": ("is not there", "Run `mailchimp-webhooks register`."),
    }
)


def _webhook_status(facts: Facts, _limits: AlertSettings, _now: datetime) -> list[AlertCondition] | None:
    if not facts.webhooks_unknown:
        return None if facts.webhooks is None else []
    unknown = AlertCondition(
        scope="command",
        what="It is not known whether the webhooks are alive: their status could not be read.",
        advice="Run `mailchimp-webhooks status --json` by itself: it says what is wrong.",
    )
    return [unknown]


def _drift(facts: Facts, limits: AlertSettings, _now: datetime) -> list[AlertCondition] | None:
    if not all(comparison.is_whole for comparison in facts.comparisons):
        # Half a comparison shows neither that both systems differ nor that they agree again.
        return None
    kinds: Counter[str] = Counter()
    for comparison in facts.comparisons:
        kinds.update(comparison.differences(limits.accept))
    if kinds.total() <= limits.drift:
        return []
    differing = AlertCondition(
        scope=RECONCILE,
        what=f"Both systems differ in {count_of(kinds.total(), 'place')} ({format_counts(kinds)}); "
        f"the limit is {limits.drift:,}.",
        since=max(comparison.finished_at or "" for comparison in facts.comparisons),
        advice="`sync-audit drift --format csv` lists them; docs/reconcile.md says for each kind what to "
        "do. Then compare again: `meltano run reconcile`.",
    )
    return [differing]


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "run_failed": failed_runs,
        "run_overdue": overdue_runs,
        "job_failed": failed_jobs,
        "failures": _failures,
        "opt_out_waiting": _late_opt_outs,
        "events_unread": _unread,
        "receiver": _receiver,
        "refused": _refused,
        "webhook": _webhooks,
        "webhook_status": _webhook_status,
        "drift": _drift,
    }
)


def _cleaned(texts: tuple[str, ...]) -> str:
    """Messages of another program, cut short, and without anything that looks like an e-mail address."""
    plain = " ".join(" ".join(texts[:_MOST_PROBLEMS]).split())
    text = re.sub(r"\S*@\S*", "(left out)", plain)
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
