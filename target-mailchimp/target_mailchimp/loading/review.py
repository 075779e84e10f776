"""Stands between the plans of a load and their decisions, where a run writes less than all, or compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinetic_mailchimp.audit import Decision

from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.planning.batch_planner import Planned
from target_mailchimp.rules.plan import NoWrite, Write

if TYPE_CHECKING:
    from target_mailchimp.loading.pipeline import Loader


class Review:
    """Lets everything pass."""

    def takes(self, record: MemberRecord) -> bool:  # noqa: ARG002 (subclasses look at it)
        """Take note of a record; False leaves it out for the present."""
        return True

    def entries(self, planned: Planned) -> Sequence[NoWrite | Write]:
        """The decisions about a batch."""
        return planned.entries

    def check(self, writes: Sequence[Write]) -> None:
        """Refuse writes before any of them is made.

        Raises:
            ConnectorError: The run cannot go on.
        """

    def unwritten(self, record: MemberRecord, error: BaseException) -> tuple[str, str]:  # noqa: ARG002 (likewise)
        """The reason why a record was taken and not written, as a code and in words.

        Args:
            record: The record.
            error: Ended the run.
        """
        return "run_ended", f"The run ended before: {type(error).__name__}."

    def decision(self, decision: Decision) -> Decision:
        """A decision as it is recorded."""
        return decision

    def expect(self, stream: str) -> None:
        """Prepare for the records of a stream."""

    def complete(self, stream: str, loader: Loader) -> None:
        """Take note that every record of a stream came.

        Args:
            stream: Its name.
            loader: Took the records.

        Raises:
            ConnectorError: The run cannot go on.
        """

    @property
    def shortfall(self) -> str:
        """The reason, in words, why not all of the work was done; empty where it was."""
        return ""

    def close(self) -> None:
        """Say what is left to say, and let go of what is open."""
