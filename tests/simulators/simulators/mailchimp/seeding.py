"""Fills the main list with made-up members, for benchmarks and demonstrations."""

from __future__ import annotations

from random import Random

from simulators.mailchimp.account import MAIN
from simulators.mailchimp.consent import Standing
from simulators.mailchimp.model import Member
from simulators.mailchimp.simulator import Simulator

# "Member" in several scripts: nobody bears these names.
_FIRST = ("Member", "Mitglied", "Miembro", "Członek", "Üye", "Участник", "会員", "عضو")
_REGIONS = ("North", "South", "East", "West")
_STANDINGS = (
    Standing.SUBSCRIBED,
    Standing.UNSUBSCRIBED_BY_CONTACT,
    Standing.UNSUBSCRIBED_BY_ADMIN,
    Standing.CLEANED,
    Standing.ARCHIVED,
)
_SHARES = (90, 4, 2, 2, 2)


def seed_members(simulator: Simulator, count: int) -> None:
    """Add `count` members whose changes lie one second apart, the last one just now."""
    account, dice = simulator.account, Random(simulator.seed)
    audience = account.list_named(MAIN)
    start = account.now() - count
    for number in range(count):
        contact_id, web_id = account.new_contact_id()
        changed = start + number
        member = Member(
            email_address=f"member{number}@example.com",
            contact_id=contact_id,
            web_id=web_id,
            standing=dice.choices(_STANDINGS, _SHARES)[0],
            merge_values={
                "FNAME": dice.choice(_FIRST),
                "LNAME": f"Number {number}",
                "COMPANY": f"Company {number}",
                "REGION": dice.choice(_REGIONS),
            },
            timestamp_opt=changed,
            last_changed=changed,
        )
        audience.store(None, member)
