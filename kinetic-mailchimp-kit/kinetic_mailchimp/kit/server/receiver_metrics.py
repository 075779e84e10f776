"""Names of the metrics of the webhook receiver's inbox, for those who write and who read them."""

from __future__ import annotations

from typing import Final

INBOX_UNREAD: Final = "mailchimp_webhooks_inbox_unread"
INBOX_OLDEST_UNREAD_SECONDS: Final = "mailchimp_webhooks_inbox_oldest_unread_seconds"
REFUSED: Final = "mailchimp_webhooks_refused"
UNREADABLE_SIGNING_SECRETS: Final = "mailchimp_webhooks_unreadable_signing_secrets"
