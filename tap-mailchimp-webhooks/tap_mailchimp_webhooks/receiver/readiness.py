"""Says whether a delivery that comes now would be stored."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError

from tap_mailchimp_webhooks.inbox.store import Inbox


@dataclass(frozen=True)
class Readiness:
    """Whether deliveries would be stored, and why not.

    Attributes:
        is_ready: Whether they would.
        document: The same for people and machines.
    """

    is_ready: bool
    document: dict[str, Any]


def readiness(inbox: Inbox, min_free_bytes: int) -> Readiness:
    """Ask the database and look at the disk. Blocks while it does."""
    problems = [*_database_problem(inbox), *_disk_problem(inbox, min_free_bytes)]
    return Readiness(not problems, {"status": "not ready" if problems else "ready", "problems": problems})


def _database_problem(inbox: Inbox) -> list[str]:
    try:
        inbox.last_sequence()
    except ConnectorError as error:
        return [str(error)]
    return []


def _disk_problem(inbox: Inbox, min_free_bytes: int) -> list[str]:
    folder = inbox.database.folder
    if folder is None:
        return []
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ["The folder of the inbox file is gone. Check `inbox_database_url`."]
    if free >= min_free_bytes:
        return []
    return [
        f"The disk of the inbox has {free // 1_048_576} MiB left. Make room, or move `inbox_database_url`."
    ]
