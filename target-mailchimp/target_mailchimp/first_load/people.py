"""The people to whom a run is limited."""

from __future__ import annotations

from collections.abc import Sequence

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, parse_email
from kinetic_mailchimp.mailchimp import subscriber_hash

from target_mailchimp.contract.member_record import MemberRecord


class People:
    """The people whom a run may write.

    Args:
        only: Their addresses; empty for everybody.
        first: The most; None for no limit.

    Raises:
        ConfigurationError: An address is none.
    """

    def __init__(self, only: Sequence[str], first: int | None) -> None:
        self._only = {self._member(place, address): place for place, address in enumerate(only, start=1)}
        self._absent = dict(self._only)
        self._first = first
        self._admitted: set[str] = set()

    @staticmethod
    def _member(place: int, address: str) -> str:
        try:
            return subscriber_hash(parse_email(address))
        except InvalidEmailError as error:
            raise ConfigurationError(
                f"`only`: entry {place} is not an e-mail address.", advice="Write one address in each entry."
            ) from error

    def names(self, record: MemberRecord) -> bool:
        """Tell whether a record is about one of the addresses."""
        self._absent.pop(record.member, None)
        return not self._only or record.member in self._only

    @property
    def absent(self) -> list[int]:
        """The entries of `only`, from 1, that no record was about."""
        return sorted(self._absent.values())

    def admits(self, member: str, *, counts: bool) -> bool:
        """Tell whether a person is among the first.

        Args:
            member: The subscriber hash.
            counts: Whether the person is a member or would become one: others take no place.
        """
        if self._first is None or not counts or member in self._admitted:
            return True
        if len(self._admitted) >= self._first:
            return False
        self._admitted.add(member)
        return True
