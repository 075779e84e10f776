"""A whole replay: settle what was handed out before, hand out what is open, and start the target where
asked to.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from kinetic_mailchimp.audit.dead_letters.dispatch import DeadLetter, hand_out, settle, waiting
from kinetic_mailchimp.audit.trail.administration import administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.audit.trail.run import FAILED_AGAIN, HANDED_OUT, OPEN, RESOLVED
from kinetic_mailchimp.kit.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOutcome:
    """What a replay came to.

    Args:
        handed_out: How many dead letters went out.
        settled: What became of them and of those that went out before.
        exit_status: How the target ended; None where none was started.
    """

    handed_out: int
    settled: Counter[str] = field(default_factory=Counter)
    exit_status: int | None = None

    @property
    def is_good(self) -> bool:
        """Whether no record failed again or came to no end."""
        return not (self.settled[FAILED_AGAIN] or self.settled[OPEN] or self.exit_status)

    def __str__(self) -> str:
        """The outcome in one line."""
        words = {
            RESOLVED: "resolved",
            FAILED_AGAIN: "failed again and wait anew",
            OPEN: "came to no end and are open again",
            HANDED_OUT: "await their result",
        }
        parts = [f"{self.handed_out} dead letters handed out"]
        parts += [f"{self.settled[state]} {word}" for state, word in words.items() if self.settled[state]]
        if self.exit_status:
            parts.append(f"the target ended with status {self.exit_status}")
        return "; ".join(parts) + "."


def replay_to(
    trail: AuditTrail, output: TextIO, *, plugin: str | None = None, stream: str | None = None
) -> ReplayOutcome:
    """Write open dead letters as Singer messages, and settle those of earlier replays.

    Args:
        trail: Where they are.
        output: Where the messages go.
        plugin: Only those of one target.
        stream: Only those of one stream.

    Raises:
        ConfigurationError: If dead letters of several targets would mix: a target takes its own.
    """
    before = waiting(trail, state=HANDED_OUT)
    letters = _of_one_target(waiting(trail, plugin=plugin, stream=stream))
    if not before and not letters:
        return ReplayOutcome(handed_out=0)
    with administrative_run(trail, "replay") as run:
        settled = settle(trail, run, before, give_back=False)
        hand_out(trail, run, letters, output)
    return ReplayOutcome(handed_out=len(letters), settled=settled)


def give_back(trail: AuditTrail) -> ReplayOutcome:
    """Settle what was handed out before, and open again what got no decision.

    For messages that went to a target which ended early: nobody else knows that it takes no more of them.

    Args:
        trail: Where they are.
    """
    before = waiting(trail, state=HANDED_OUT)
    if not before:
        return ReplayOutcome(handed_out=0)
    with administrative_run(trail, "replay") as run:
        return ReplayOutcome(handed_out=0, settled=settle(trail, run, before, give_back=True))


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
        return ReplayOutcome(handed_out=0)
    messages = io.StringIO()
    with administrative_run(trail, "replay") as run:
        hand_out(trail, run, letters, messages)
        try:
            exit_status = _run(command, messages.getvalue())
        finally:
            mine = {letter.note for letter in letters}
            handed_out = [letter for letter in waiting(trail, state=HANDED_OUT) if letter.note in mine]
            settled = settle(trail, run, handed_out, give_back=True)
    return ReplayOutcome(handed_out=len(letters), settled=settled, exit_status=exit_status)


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
