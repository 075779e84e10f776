"""Tells a server that fails over one row for good from one that is busy or away."""

from __future__ import annotations

from kinetic_mailchimp.kit.errors import ConnectorError, DataError


def is_server_error(error: ConnectorError) -> bool:
    """Whether the server itself failed over what was sent, and is not just busy or away."""
    return error.status == 500  # noqa: PLR2004 (HTTP)


def as_permanent_failure(error: ConnectorError, attempts: int) -> DataError:
    """The same failure as one of the record alone: others must not wait for it.

    Args:
        error: The server's last answer.
        attempts: Number of failures while rows could be read.
    """
    return DataError(
        error.message,
        advice=(
            f"It failed {attempts} times while the row could be read: give the correlation id to the "
            "administrators of the server."
        ),
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
