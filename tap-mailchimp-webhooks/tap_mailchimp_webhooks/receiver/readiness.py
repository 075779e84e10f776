"""Checks that a delivery which comes now would be stored."""

from __future__ import annotations

import shutil

from kinetic_mailchimp.kit.errors import ConnectorError

from tap_mailchimp_webhooks.inbox.store import Inbox


def readiness_problems(inbox: Inbox, min_free_bytes: int) -> list[str]:
    """Ask the database and look at the disk. Blocks while it does.

    Returns:
        A sentence for each reason why deliveries would not be stored; none when they would.
    """
    problems = []
    try:
        inbox.database.check_file()
        inbox.last_sequence()
    except ConnectorError as error:
        problems.append(str(error))
    try:
        free = shutil.disk_usage(inbox.database.folder).free if inbox.database.folder else min_free_bytes
    except OSError:
        return [*problems, "The folder of the inbox file is gone. Check `inbox_database_url`."]
    if free < min_free_bytes:
        left = f"The disk of the inbox has {free // 1_048_576} MiB left."
        problems.append(f"{left} Make room, or move `inbox_database_url`.")
    return problems
