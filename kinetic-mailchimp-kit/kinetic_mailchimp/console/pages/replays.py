"""Replays that a page has started: one at a time, in a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kinetic_mailchimp.audit.dead_letters.replay import replay_into
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.kit.errors import ConnectorError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that a page has started.

    Args:
        outcome: Its result in words; empty while it runs.
        is_good: True if every record was written.
    """

    plugin: str
    started: datetime
    outcome: str = ""
    is_good: bool = True

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return not self.outcome


class Replays:
    """Starts replays in a thread, and remembers the last one."""

    def __init__(self, trail: AuditTrail, commands: Mapping[str, str]) -> None:
        self._trail = trail
        self._commands = dict(commands)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.last: Replay | None = None

    def can_start(self, plugin: str) -> bool:
        """True if there is a command for a target."""
        return plugin in self._commands

    def start(self, plugin: str) -> bool:
        """Start a replay of every open dead letter of a target.

        Returns:
            False if another replay runs, or if there is no command for the target.
        """
        with self._lock:
            if plugin not in self._commands or (self.last is not None and self.last.is_running):
                return False
            self.last = Replay(plugin, self._trail.clock())
            self._thread = threading.Thread(target=self._run, args=(self.last,), name="replay")
            self._thread.start()
            return True

    def wait(self) -> None:
        """Wait until no replay runs: its results must be recorded before the trail is closed."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, replay: Replay) -> None:
        outcome, is_good = "It broke off; the log says where.", False
        try:
            result = replay_into(self._trail, self._commands[replay.plugin], plugin=replay.plugin)
            outcome, is_good = str(result), result.is_good
        except ConnectorError as error:
            outcome = str(error)
        except Exception as error:  # noqa: BLE001 - nothing above a thread reports it
            logger.error("A replay broke off: %s", type(error).__name__)  # noqa: TRY400 - it could name a person
        finally:
            self.last = Replay(replay.plugin, replay.started, outcome, is_good)
