"""Tells one member that Mailchimp never answers about from a Mailchimp that answers nobody."""

from __future__ import annotations

import re
from http import HTTPStatus

from kinetic_mailchimp.kit.errors import ConnectorError, DataError, PermissionDeniedError, TransientError
from kinetic_mailchimp.mailchimp import MailchimpClient, Refusal, RefusedError

from target_mailchimp.writing.write_result import WriteResult

FEW_ATTEMPTS = 2
"""Attempts of a call that takes apart one which failed for good."""

MAY_BE_ABOUT_ONE = (DataError, TransientError, PermissionDeniedError)
"""Errors of a call whose cause may be one member in it."""

_OF_THE_ACCOUNT = re.compile(r"\b(account|plan|billing|payment|suspended|deactivated)\b", re.IGNORECASE)


class Isolation:
    """Decides about failures that outlasted every attempt. Shared by threads."""

    def __init__(self, client: MailchimpClient) -> None:
        self._client = client
        self._written: WriteResult | None = None

    def note(self, result: WriteResult) -> None:
        """Take note of a member that was written: a later call about it tells whether Mailchimp answers."""
        self._written = result

    def require_answers(self, error: ConnectorError, list_id: str) -> None:
        """Go on only if the cause is among the members of the failed call.

        Args:
            error: The failure that remained after all attempts.
            list_id: The audience.

        Raises:
            ConnectorError: The failure itself: a call about another member fails as well.
        """
        if error.status == HTTPStatus.TOO_MANY_REQUESTS or error.code == "throttled":
            raise error
        try:
            self._ask(list_id)
        except DataError:
            return
        except ConnectorError:
            raise error from None

    def require_own_words(self, error: DataError, list_id: str) -> None:
        """Go on only if the refusal of a call is not one that every call gets, as of a suspended account.

        Args:
            error: The refusal, in words that are not known.
            list_id: The audience.

        Raises:
            PermissionDeniedError: A call about another member, or about none, is refused in the same words.
        """
        is_unknown = isinstance(error, RefusedError) and error.reason is Refusal.OTHER and not error.field
        if not (is_unknown and error.code):  # without a title, a gateway said it
            return
        if self._written is None and not _OF_THE_ACCOUNT.search(error.message):
            # A call about nobody may be refused for that alone.
            return
        try:
            self._ask(list_id)
        except ConnectorError as other:
            if (other.status, other.message) == (error.status, error.message):
                raise PermissionDeniedError(
                    error.message,
                    advice="Every call is refused so: look for a message of Mailchimp in the account.",
                    status=error.status,
                    code=error.code,
                    request_id=error.request_id,
                ) from error

    def _ask(self, list_id: str) -> None:
        """Call about a member that was written, or about none."""
        known = self._written
        # Nothing about a member that exists is changed by a call that only creates.
        members = [{"email_address": known.record.address, "status_if_new": "unsubscribed"}] if known else []
        self._client.upsert_members(
            known.write.audience.id if known else list_id,
            members,
            update_existing=False,
            skip_merge_validation=True,
            max_attempts=FEW_ATTEMPTS,
        )

    def blame(self, error: ConnectorError, list_id: str) -> DataError:
        """The refusal that a failure of a call about one member amounts to.

        Raises:
            ConnectorError: The failure itself: Mailchimp answers nobody.
        """
        if isinstance(error, DataError):
            return error
        self.require_answers(error, list_id)
        return RefusedError(
            f"Every call with this member fails, and one about another member does not. {error.message}",
            advice="Look at the member in Mailchimp, or ask its support; then replay the record.",
            reason=Refusal.UNANSWERED,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        )
