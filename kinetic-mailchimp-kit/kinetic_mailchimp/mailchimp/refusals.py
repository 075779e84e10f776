"""Refusals of one member or one resource: their texts, and what each of them means.

Items of a batch have nothing but a text. The texts of Mailchimp name the address; ours never do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.redaction.plain_text import LONGEST_MESSAGE


class Refusal(StrEnum):
    """Why Mailchimp refuses a member. The value is stable: it is what an audit trail stores."""

    COMPLIANCE_STATE = "compliance_state"
    FORGOTTEN = "permanently_deleted"
    REMOVED = "removed"
    MUST_RESUBSCRIBE = "must_resubscribe"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    PENDING = "not_confirmed_by_person"
    MEMBER_EXISTS = "address_taken"
    SIGNUP_THROTTLED = "signup_throttled"
    CONTACT_LIMIT = "contact_limit"
    FAKE_ADDRESS = "fake_address"
    INVALID_ADDRESS = "invalid_address"
    INVALID_FIELDS = "invalid_fields"
    CANNOT_ARCHIVE = "cannot_archive"
    DUPLICATE_FIELD = "merge_field_exists"
    UNCONFIRMED = "not_confirmed"
    UNANSWERED = "no_answer_about_it"
    OTHER = "refused_by_mailchimp"


PERSON_LEFT = frozenset(
    {
        Refusal.COMPLIANCE_STATE,
        Refusal.FORGOTTEN,
        Refusal.REMOVED,
        Refusal.MUST_RESUBSCRIBE,
        Refusal.UNSUBSCRIBED,
        Refusal.BOUNCED,
        Refusal.PENDING,
    }
)
"""Mailchimp refuses for the person's sake: nothing to correct, and nothing to replay."""


@dataclass(frozen=True)
class FieldError:
    """A refused field: its name as Mailchimp says it (a merge tag or a path), and why.

    Without a name, it is all that Mailchimp says.
    """

    field: str
    message: str


class RefusedError(DataError):
    """Mailchimp refuses one member or one resource; everything else can go on.

    Attributes:
        field_errors: What is wrong with which field, where Mailchimp says so.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Refusal = Refusal.OTHER,
        field_errors: tuple[FieldError, ...] = (),
        **details: Any,  # noqa: ANN401 (those of the base class)
    ) -> None:
        super().__init__(message, **details)
        self.reason = reason
        self.field_errors = field_errors


@dataclass(frozen=True)
class _Meaning:
    """A pattern of texts that Mailchimp sends (lower case, without addresses), and what it means."""

    says: str
    reason: Refusal
    message: str
    advice: str = ""


_BY_FORM = "Only the person can subscribe again, with a form of the audience."
_MEANINGS = (
    _Meaning(
        "already exists for this list",
        Refusal.DUPLICATE_FIELD,
        "The audience already has a merge field of this tag.",
    ),
    _Meaning(  # before the words about people: such a text may advise to archive or unsubscribe some
        r"\b(contacts?|subscribers?|members?|audience|plan|account)('s)?\b[^.]{0,30}\b(limit|quota)\b"
        r"|\b(limit|quota|maximum|exceed\w*|too many)\b[^.]{0,30}\b(contacts|subscribers|members|plan)\b",
        Refusal.CONTACT_LIMIT,
        "The Mailchimp account takes no further contacts: it has as many as its plan allows.",
        "Raise the plan or archive contacts in Mailchimp; then `sync-audit replay` sends the record.",
    ),
    _Meaning(
        r"\b(field|tag|group|interest|segment|choice)s?\b( \S+)? (was|were|is|are|ha(s|ve) been) "
        r"(removed|deleted|archived|blocked)",
        Refusal.INVALID_FIELDS,
        "A field of the audience is gone.",
    ),
    _Meaning(
        "^member exists",
        Refusal.MEMBER_EXISTS,
        "Another member of the audience already has this address.",
    ),
    _Meaning(
        "compliance",
        Refusal.COMPLIANCE_STATE,
        "The person unsubscribed, complained or bounced, and Mailchimp lets nobody but them change that.",
        _BY_FORM,
    ),
    _Meaning(
        r"permanently deleted|re-?import|import(ed)? again|forgotten|\berase[ds]?\b|\berasure\b|\bpurged\b",
        Refusal.FORGOTTEN,
        "The person was permanently deleted from the audience.",
        "Only the person can come back, with a form of the audience.",
    ),
    _Meaning(
        r"already (a|an) (list |audience )?member|already (subscribed|(on|in) (this|the|your))\b"
        r"|\b(on|in) (this|the|your) (list|audience) already",
        Refusal.MEMBER_EXISTS,
        "Another member of the audience already has this address.",
    ),
    _Meaning(
        r"^(invalid resource: )?(the |this |your |a )?(merge fields?|values?|choices?|options?|groups?"
        r"|interests?|tags?|segments?|dropdowns?)\b|\bplease (enter|choose|select)\b(?!.*\be-?mail)",
        Refusal.INVALID_FIELDS,
        "Mailchimp refuses a field's value, or misses a required one.",
        "Correct it in the source, or change the field in the audience.",
    ),
    _Meaning(
        r"signed up to a lot of lists very recently|too many (recent )?sign-?ups?\b",
        Refusal.SIGNUP_THROTTLED,
        "Mailchimp takes no further sign-up of this address for now.",
        "Replay the record in some days.",
    ),
    _Meaning(
        "looks fake or invalid",
        Refusal.FAKE_ADDRESS,
        "Mailchimp holds the address for made up.",
        "Correct it in the source.",
    ),
    _Meaning(
        "provide a valid email address|portion of the email address is invalid",
        Refusal.INVALID_ADDRESS,
        "Mailchimp does not take the address.",
        "Correct it in the source.",
    ),
    _Meaning(
        "can not archive",
        Refusal.CANNOT_ARCHIVE,
        "A member that bounced, is pending or is archived cannot be archived.",
    ),
    _Meaning(
        r"\b(was|is|were|be|been) (\w+ )?(removed|deleted|archived)|\bremoved (them|him|her)sel"
        r"|\bleft (this|the|your)\b|\bno longer (a contact\b|a member\b|(on|in|part of) (this|the|your)\b)"
        r"|\b(taken|take \w+) off\b|\b(former|deleted|removed|archived) (contact|member|subscriber|person)",
        Refusal.REMOVED,
        "The person was removed from the audience, and Mailchimp takes nobody back.",
        _BY_FORM,
    ),
    _Meaning(
        r"\bre-?(subscri|opt|add|join|activat)|(sign|subscribe)s? up again|opts? (back )?in again|added again"
        r"|(must|needs? to|has to) (first )?(opt[ -]?in|subscribe)",
        Refusal.MUST_RESUBSCRIBE,
        "The person left, and must subscribe again.",
        _BY_FORM,
    ),
    _Meaning(
        r"unsubscri|opt(ed|s)?[ -]?out|no longer (a )?subscribe|\b(non|not)[ -]?subscribed\b"
        r"|(cancell?|end|stopp|revok|withdr[ae]w)\w*\b.{0,20}(subscription|consent|permission)"
        r"|(subscription|consent|permission)\b.{0,20}\b(cancel|end|stopp|revok|withdr|expire)"
        r"|\b(no|not|without|n't) (consent|permission)|\bdnc\b|\breject\w* (all|any|further|more)\b"
        r"|\b(not|never|n't)[ -](to |wish to |want to |want )?(be )?(contact|e?-?mail|receiv|send)"
        r"|inactive|not active|deactivated by",
        Refusal.UNSUBSCRIBED,
        "The person unsubscribed.",
        _BY_FORM,
    ),
    _Meaning(
        r"bounc|\bcleaned\b|undeliverable|\b(cannot|can't|could not) be delivered",
        Refusal.BOUNCED,
        "Mail to the address bounced.",
        _BY_FORM,
    ),
    _Meaning(
        r"\bpending\b|\b(not|never|(yet|has|have|needs?) to|must|n't)\b.{0,20}\b(confirm|verif)"
        r"|unconfirmed|await\w* confirmation|confirmation\b.{0,20}\b(outstanding|missing|open|not)\b"
        r"|wait\w* .{0,30}\b(confirm|opt-?in)|\bre-?confirm"
        r"|\bopt-?in\b.{0,20}\b(not|incomplete|missing|required|outstanding|open)\b",
        Refusal.PENDING,
        "The person has not confirmed the subscription.",
        "Only the person can, by the mail that Mailchimp sent.",
    ),
    _Meaning(
        r"complain|suppress|(report|flag)\w* .{0,20}(spam|abus)|\b(block|black|deny)[ -]?list"
        r"|\bblocked\b|\bbanned\b|quarantin|\b(as|marked) .{0,20}(spam|junk)",
        Refusal.COMPLIANCE_STATE,
        "The person complained, and Mailchimp lets nobody but them change that.",
        _BY_FORM,
    ),
    _Meaning(
        "merge fields were invalid",
        Refusal.INVALID_FIELDS,
        "Mailchimp refuses a merge field's value, or misses a required one.",
        "Correct it in the source, or change the field in the audience.",
    ),
    _Meaning(
        "could not be validated",
        Refusal.INVALID_FIELDS,
        "Mailchimp refuses the form of a field.",
    ),
)

_ADDRESS = re.compile(r"\S+@\S+")
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|“[^”]*”")
"""A quotation is a value or a name, which may be a word like `unsubscribed`."""


def item_error(item: Mapping[str, Any]) -> RefusedError:
    """The refusal that an entry of `errors` in the answer of a batch means."""
    complaint = str(item.get("field_message") or "")
    text = str(item.get("error") or "")
    field_errors: tuple[FieldError, ...] = ()
    if item.get("field"):
        field_errors = (FieldError(str(item["field"]), without_addresses(complaint or text)),)
        # Of a field, a text may say "inactive" and mean its value.
        text = (
            text
            if _names_address(str(item["field"])) and _meaning(text)
            else "Your merge fields were invalid."
        )
    else:
        text = f"{text} {complaint}".rstrip()
    return refusal_error(text, field_errors, code=str(item.get("error_code") or "") or None)


def without_addresses(text: str) -> str:
    """A text of Mailchimp's, fit for a log: cut first, for the search takes the square of its length."""
    return _ADDRESS.sub("(address)", text[:LONGEST_MESSAGE])


def _meaning(text: str) -> _Meaning | None:
    lowered = _QUOTED.sub("''", without_addresses(text)).lower()
    return next((meaning for meaning in _MEANINGS if re.search(meaning.says, lowered)), None)


def _names_address(field: str) -> bool:
    return re.sub(r"[^a-z]", "", field.lower()) in {"", "email", "emailaddress", "status", "statusifnew"}


def refusal_error(text: str, field_errors: tuple[FieldError, ...], **details: Any) -> RefusedError:  # noqa: ANN401 (those of the error)
    """The refusal that a text means.

    Args:
        text: Mailchimp's title and detail.
        field_errors: The complaints about single fields.
        **details: What else RefusedError takes, such as `status`.
    """
    field_errors = field_errors or (FieldError("", without_addresses(text)),)
    meaning = _meaning(text)
    if meaning is None or meaning.reason is Refusal.INVALID_FIELDS:
        # What is wrong with the person may stand in a complaint about the address.
        about_address = (_meaning(error.message) for error in field_errors if _names_address(error.field))
        meaning = next(filter(None, about_address), meaning)
    complaints = " ".join(f"{error.field}: {error.message}." for error in field_errors if error.field)
    field = next((error.field for error in field_errors if error.field), None)
    if meaning is None:
        said = without_addresses(text).strip(": ") or "no reason was given"
        return RefusedError(
            f"Mailchimp refused it: {said} {complaints}".rstrip(),
            advice="Correct the fields that it names at the source.",
            field_errors=field_errors,
            field=field,
            **details,
        )
    return RefusedError(
        f"{meaning.message} {complaints}".rstrip(),
        advice=meaning.advice,
        reason=meaning.reason,
        field_errors=field_errors,
        field=field,
        **details,
    )
