"""Remembers what became of the campaigns of a person: by them, a result that comes twice is counted once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue

from target_epicor_contacts.contract.campaign_result import RESULTS, CampaignResult

RESULTS_NAMESPACE: Final = "target-epicor-contacts/results"
"""By the email key of the person."""
LAST_CAMPAIGN = "last_campaign"
COUNTS = RESULTS
LAST_TIMES = tuple(f"last_{result}_at" for result in RESULTS)
YEAR: Final = 366 * 86_400
"""Seconds before the newest campaign of a person from which on older ones count."""

Times = tuple[int, int, int, int]
"""Seconds since 1970, by `RESULTS`; 0 for what did not happen."""
_NEVER: Times = (0, 0, 0, 0)


class ResultHistory(LedgerValue, frozen=True):
    """The campaigns that a person got within the year before the newest of them.

    Attributes:
        campaigns: By Mailchimp's id.
        last_campaign: The title of the newest one.
    """

    campaigns: dict[str, Times] = msgspec.field(default_factory=dict)
    last_campaign: str = ""

    def with_result(self, result: CampaignResult) -> ResultHistory:
        """The history with a result; the later of two times counts, in whatever order they come."""
        times = [int(at.timestamp()) if (at := result.times.get(name)) else 0 for name in RESULTS]
        known = self.campaigns.get(result.campaign_id, _NEVER)
        sent, opened, clicked, bounced = map(max, known, times)
        campaigns = {**self.campaigns, result.campaign_id: (sent, opened, clicked, bounced)}
        newest = max(of_campaign[0] for of_campaign in campaigns.values())
        kept = {name: of_one for name, of_one in campaigns.items() if of_one[0] > newest - YEAR}
        return ResultHistory(kept, result.title if sent == newest else self.last_campaign)

    @property
    def values(self) -> Mapping[str, int | datetime | str]:
        """The values that columns can show, by the names that `result_columns` has."""
        by_result = dict(zip(RESULTS, zip(*self.campaigns.values(), strict=True), strict=True))
        counts = {name: sum(map(bool, times)) for name, times in by_result.items()}
        last = {
            f"last_{name}_at": datetime.fromtimestamp(at, UTC)
            for name, times in by_result.items()
            if (at := max(times))
        }
        return {**counts, **last, LAST_CAMPAIGN: self.last_campaign}
