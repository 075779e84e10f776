"""A condition that needs a person, and the form of a rule that finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from kinetic_mailchimp.console.alerts.facts import Facts
from kinetic_mailchimp.console.alerts.settings import AlertSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCondition:
    """A condition that needs a person.

    Args:
        kind: The rule that found it.
        scope: Its subject, such as a target: two conditions of one kind differ in it.
        what: The problem in one sentence.
        advice: What to do.
        since: Its beginning, as stored; None where it began with the first alert about it.
    """

    kind: str
    scope: str
    what: str
    advice: str
    since: str | None = None

    @property
    def key(self) -> str:
        """Kind and scope: the name under which it is stored."""
        return f"{self.kind}:{self.scope}"


Rule = Callable[[Facts, AlertSettings, datetime], "Iterable[AlertCondition] | None"]
"""Finds conditions; None where the facts it needs were not collected."""
