"""Kinds of differences that a comparison of both sides finds: the reasons of decisions that are `drifted`."""

from __future__ import annotations

import enum
from typing import Final

RECONCILE: Final = "reconcile"
"""The pipeline whose runs compare both sides, and write nothing."""
REPAIR: Final = "repair"
"""The pipeline whose runs put right what a comparison finds."""


class Drift(enum.StrEnum):
    """Difference between both sides about a person."""

    MEMBER_MISSING = "member_missing"
    MEMBER_ARCHIVED = "member_archived"
    MEMBER_LEFT_BEHIND = "member_left_behind"
    ROW_GONE = "row_gone"
    ROW_MISSING = "row_missing"
    FIELDS_DIFFER = "fields_differ"
    ADDRESS_DIFFERS = "address_differs"
    OPT_OUT_UNKNOWN_TO_MAILCHIMP = "opt_out_unknown_to_mailchimp"
    OPT_OUT_UNKNOWN_TO_EPICOR = "opt_out_unknown_to_epicor"
    OPT_OUT_TAKEN_BACK = "opt_out_taken_back"

    @property
    def sentence(self) -> str:
        """Explanation in words."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    Drift.MEMBER_MISSING: "Epicor has the customer, the audience has no such member.",
    Drift.MEMBER_ARCHIVED: "Epicor has the customer, the member is archived in the audience, and stays so.",
    Drift.MEMBER_LEFT_BEHIND: "The member's row has the address of another member now, and this one stayed.",
    Drift.ROW_GONE: "The member is there, no row of Epicor stands behind it any more.",
    Drift.ROW_MISSING: "Epicor has no row for the person, and the settings ask for one.",
    Drift.FIELDS_DIFFER: "Mapped fields have different values.",
    Drift.ADDRESS_DIFFERS: "The e-mail address was changed on one side.",
    Drift.OPT_OUT_UNKNOWN_TO_MAILCHIMP: "Epicor says that the person wants no mail, Mailchimp does not.",
    Drift.OPT_OUT_UNKNOWN_TO_EPICOR: "The person opted out in Mailchimp, Epicor does not say so.",
    Drift.OPT_OUT_TAKEN_BACK: "Epicor says that the person wants no mail, who has subscribed again since.",
}
