"""Says in words what of the way from Mailchimp works: account, audiences, webhooks, inbox, path secret."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from kinetic_mailchimp.kit.checks import Finding, clock_finding, note
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.secrets.encryption import reveal
from kinetic_mailchimp.mailchimp import MailchimpClient
from kinetic_mailchimp.mailchimp.audiences import audience_ids, listed

from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.webhooks.health import ADVICE, PROBLEMS, WebhookHealth, webhook_health
from tap_mailchimp_webhooks.webhooks.path_secret import ADVICE as SECRET_ADVICE
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets

SECRET_VARIABLE = "MAILCHIMP_WEBHOOKS_SECRET"  # noqa: S105 (the name of one)


def look_at_webhooks(
    client: MailchimpClient, inbox: Inbox, list_ids: Sequence[str]
) -> Iterator[Finding | str]:
    """Try the account, look for the audiences, and judge their webhooks.

    Args:
        client: Of the account.
        inbox: Where deliveries are stored.
        list_ids: The audiences that are named; all of the account without any.

    Raises:
        ConnectorError: What does not work, and what to do.
    """
    server_time = client.server_time()
    audiences = list(client.lists())
    yield f"Mailchimp answers, and the account has {len(audiences)} audiences."
    yield clock_finding("Mailchimp", server_time)
    if not list_ids:
        yield note(
            "Setting `list_ids` is empty: the events of all audiences are read, which are "
            f"{listed(audiences)}.",
            "Name those that are meant.",
        )
    wanted = audience_ids(audiences, list_ids)
    hooks = [hook for hook in webhook_health(client, inbox, wanted, utc_now()) if hook.is_ours]
    yield from map(_judged, hooks)
    for list_id in wanted:
        if list_id not in {hook.list_id for hook in hooks}:
            yield note(
                f"Audience {list_id} has no webhook: its events come with the next run, not at once.",
                "For events at once, run `mailchimp-webhooks serve` and `mailchimp-webhooks register`.",
            )


def _judged(hook: WebhookHealth) -> Finding | str:
    if hook.verdict in PROBLEMS:
        raise ConfigurationError(
            f"The webhook of audience {hook.list_id}: {hook.verdict}.", advice=ADVICE[hook.verdict]
        )
    if not hook.signing_enabled:
        return note(
            f"The webhook of audience {hook.list_id} is not signed: each delivery is confirmed by a call.",
            "`mailchimp-webhooks unregister`, then `register`, makes a signed one where Mailchimp offers it.",
        )
    last = hook.last_event_at or "never yet"
    return f"The webhook of audience {hook.list_id} is registered and signed; last event: {last}."


def look_at_inbox(inbox: Inbox) -> Iterator[str]:
    """Open the inbox; it is made or upgraded where that is needed."""
    inbox.database.require_writable()
    yield f"The inbox answers, and is {'encrypted' if inbox.encryption.box else 'in clear'}."


def look_at_path_secret() -> Iterator[Finding | str]:
    """Judge the path secret of the receiver, where there is one."""
    written = reveal({SECRET_VARIABLE: os.environ.get(SECRET_VARIABLE, "")})[SECRET_VARIABLE]
    if not written:
        yield note("No path secret is set, which only the receiver of webhooks needs.", SECRET_ADVICE)
        return
    PathSecrets.parse(str(written))
    yield "The path secret cannot be guessed."
