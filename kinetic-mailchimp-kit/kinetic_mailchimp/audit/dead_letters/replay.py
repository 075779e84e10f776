"""A whole replay: resolve what was dispatched before, dispatch what is open, start the target if asked."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from kinetic_mailchimp.audit.dead_letters.dispatch import DeadLetter, dispatch, resolve, waiting
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.trail.administration import administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.audit.trail.letter_states import FAILED_AGAIN, IN_FLIGHT, OPEN, RESOLVED
from kinetic_mailchimp.kit.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOutcome:
    """Result of a replay.

    Args:
        dispatched: How many dead letters went out.
        results: What became of them and of those that went out before.
        exit_status: How the target ended; None where none was started.
    """

    dispatched: int
    results: Counter[str] = field(default_factory=Counter)
    exit_status: int | None = None

    @property
    def is_good(self) -> bool:
        """True when no record failed again or came to no end."""
        return not (self.results[FAILED_AGAIN] or self.results[OPEN] or self.exit_status)

    def __str__(self) -> str:
        """The outcome in one line."""
        words = {
            RESOLVED: "resolved",
            FAILED_AGAIN: "failed again and wait",
            OPEN: "came to no end and are open again",
            IN_FLIGHT: "await their result",
        }
        parts = [f"{self.dispatched} dead letters dispatched"]
        parts += [f"{self.results[state]} {word}" for state, word in words.items() if self.results[state]]
        if self.exit_status:
            parts.append(f"the target ended with status {self.exit_status}")
        return "; ".join(parts) + "."


def replay_to(
    trail: AuditTrail, output: TextIO, *, plugin: str | None = None, stream: str | None = None
) -> ReplayOutcome:
    """Write open dead letters as Singer messages, and resolve those of earlier replays.

    Raises:
        ConfigurationError: If dead letters of several targets would mix: a target takes its own.
    """
    before = waiting(trail, state=IN_FLIGHT)
    letters = _of_one_target(waiting(trail, plugin=plugin, stream=stream))
    if not before and not letters:
        return ReplayOutcome(dispatched=0)
    with administrative_run(trail, "replay") as run:
        results = resolve(trail, run, before, requeue=False)
        dispatch(trail, run, letters, output)
    return ReplayOutcome(dispatched=len(letters), results=results)


def requeue(trail: AuditTrail) -> ReplayOutcome:
    """Resolve what was dispatched before, and open again what got no decision.

    For messages that went to a target which ended early: nobody else knows that it takes no more of them.
    """
    before = waiting(trail, state=IN_FLIGHT)
    if not before:
        return ReplayOutcome(dispatched=0)
    with administrative_run(trail, "replay") as run:
        return ReplayOutcome(dispatched=0, results=resolve(trail, run, before, requeue=True))


def replay_into(
    trail: AuditTrail, command: str, *, plugin: str | None = None, stream: str | None = None
) -> ReplayOutcome:
    """Run a target over open dead letters and record what it decided about each.

    Args:
        trail: Where they are; the target must use the same one.
        command: The command that starts the target.
        plugin: Only those of one target.
        stream: Only those of one stream.

    Raises:
        ConfigurationError: If the command cannot be started, or if dead letters of several targets would mix.
    """
    letters = _of_one_target(waiting(trail, plugin=plugin, stream=stream))
    if not letters:
        return ReplayOutcome(dispatched=0)
    messages = io.StringIO()
    with administrative_run(trail, "replay") as run:
        dispatch(trail, run, letters, messages)
        try:
            exit_status = _run(command, messages.getvalue())
        finally:
            mine = {letter.note for letter in letters}
            dispatched = [letter for letter in waiting(trail, state=IN_FLIGHT) if letter.note in mine]
            results = resolve(trail, run, dispatched, requeue=True)
    return ReplayOutcome(dispatched=len(letters), results=results, exit_status=exit_status)


def send_records(command: str, stream: str, records: Sequence[Mapping[str, Any]]) -> int:
    """Run a target over records that no tap made; its exit status.

    Raises:
        ConfigurationError: If the command cannot be started.
    """
    properties: dict[str, Any] = {name: {} for record in records for name in record}
    schema = {"type": "object", "properties": properties}
    lines = [{"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["event_id"]}]
    lines += [{"type": "RECORD", "stream": stream, "record": record} for record in records]
    lines.append({"type": "STATE", "value": {}})  # says that they are whole
    return _run(command, "".join(f"{to_json(line)}\n" for line in lines))


def _run(command: str, messages: str) -> int:
    environment = {**os.environ, CORRELATION_VARIABLE: str(uuid.uuid4())}
    try:
        # Its state goes nowhere: a replay must not move a bookmark.
        ended = subprocess.run(  # noqa: S603 - the operator names the command, and no shell takes part
            shlex.split(command),
            input=messages.encode(),
            env=environment,
            stdout=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The command of --into cannot be started: {error}.",
            advice="Name the target as on a command line.",
        ) from error
    return ended.returncode


def _of_one_target(letters: list[DeadLetter]) -> list[DeadLetter]:
    plugins = sorted({letter.plugin for letter in letters})
    if len(plugins) > 1:
        raise ConfigurationError(
            f"Dead letters of several targets wait: {', '.join(plugins)}.",
            advice=f"Replay one target at a time: --plugin {plugins[0]}.",
        )
    return letters
