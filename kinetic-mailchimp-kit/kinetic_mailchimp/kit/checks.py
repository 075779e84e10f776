"""Checks of a configuration against the real systems: each ends in findings that are sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.redaction.plain_text import message as plain_message

MOST_CLOCK_DIFFERENCE: Final = timedelta(seconds=60)


class Verdict(StrEnum):
    """The result of a look at one thing."""

    GOOD = "good"
    NOTE = "note"
    """It works, and one should know about it."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """The result of a look at one thing.

    Attributes:
        verdict: Whether something must be done.
        text: One sentence, without secrets.
        fix: What to do; empty where there is nothing to do.
    """

    verdict: Verdict
    text: str
    fix: str = ""

    def __post_init__(self) -> None:
        """Let nothing that a vendor wrote steer or flood a terminal."""
        object.__setattr__(self, "text", plain_message(self.text))

    def __str__(self) -> str:
        """The sentence, and what to do."""
        return f"{self.text} {self.fix}".rstrip()


@dataclass(frozen=True)
class Check:
    """One thing to look at, or several that follow from each other: the first error ends it.

    Attributes:
        name: One or two words.
        look: Yields findings; a text is a good one, and a ConnectorError is what is wrong.
    """

    name: str
    look: Callable[[], Iterable[Finding | str]]

    def findings(self) -> Iterator[Finding]:
        """Everything that the look finds; it never raises what went wrong."""
        try:
            for found in self.look():
                yield Finding(Verdict.GOOD, found) if isinstance(found, str) else found
        except ConnectorError as error:
            yield Finding(Verdict.WRONG, MASKER.mask(str(error)))
        except Exception as error:  # noqa: BLE001 (whatever it is, the other checks go on)
            text = f"The check `{self.name}` ended with an unexpected {type(error).__name__}."
            yield Finding(Verdict.WRONG, text, "Please report it; `--log-level=debug` of a run shows more.")


def note(text: str, fix: str = "") -> Finding:
    """A finding that stops nothing."""
    return Finding(Verdict.NOTE, text, fix)


@dataclass(frozen=True)
class FieldType:
    """A field on one side, as its system describes it.

    Attributes:
        type: In the words of the system, such as `Edm.String` or `dropdown`.
        length: The most characters that it takes; None where it does not say.
        is_key: Whether it is a part of what identifies a row.
    """

    type: str
    length: int | None = None
    is_key: bool = False


def clock_finding(system: str, system_time: datetime | None) -> Finding:
    """Compare the clock of this machine with that of a server.

    Args:
        system: The name of the server.
        system_time: The time in its answer; None where it had none.
    """
    if system_time is None:
        return note(f"{system} does not say what time it is.")
    ahead = utc_now() - system_time
    if abs(ahead) <= MOST_CLOCK_DIFFERENCE:
        return Finding(Verdict.GOOD, f"This machine and {system} agree about the time.")
    direction = "ahead of" if ahead > timedelta() else "behind"
    return Finding(
        Verdict.WRONG,
        f"The clock of this machine is {abs(ahead).total_seconds():.0f} s {direction} that of {system}.",
        "Let the machine take its time from a time server (`timedatectl set-ntp true`).",
    )
