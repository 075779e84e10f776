"""Evidence of consent as one page of HTML that needs nothing else: to print, to keep, and to check later."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kinetic_mailchimp.audit.reading.evidence import Evidence, Proof, facts_of
from kinetic_mailchimp.audit.reading.formatting import (
    describe_entry,
    describe_response,
    format_time,
    format_value,
    format_word,
    printable,
)
from kinetic_mailchimp.kit.errors import DataError

_BEGIN: Final = '<script type="application/json" id="facts">'
_END: Final = "</script>"
_STYLE: Final = """
body { font: 11pt/1.4 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 1.5rem; }
article { border-top: 1px solid #999; padding: 0.5rem 0; break-inside: avoid; }
dl { display: grid; grid-template-columns: 10rem 1fr; gap: 0 0.75rem; margin: 0.25rem 0; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
code { font-size: 0.8em; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } }
"""
_HOW: Final = (
    "Each entry has a digest (BLAKE2b, 256 bits) of its facts, of its personal data under a random "
    "salt, and of the entry before it; the chain of each run ends in the journal, whose newest digest "
    "is the anchor. This file holds facts, personal data and salts, so anyone can compute the digests "
    "again; keep it as confidential as its content. <code>sync-audit evidence --check FILE</code> compares "
    "it with the trail, <code>sync-audit verify --anchor ANCHOR</code> shows that nothing in it was "
    "rewritten since. After an erasure the trail keeps the digests, and this file still proves what they "
    "stood for; after a pruning, what has left the trail is proved by this file's digests alone. Times of "
    "recording are this software's clock, other times the vendor's."
)


_TOLD_BY: Final = {
    "webhook": "a webhook of Mailchimp",
    "catch_up": "Mailchimp, asked for what no webhook told",
    "read": "Mailchimp's list of members",
}
_SIGNED: Final = {"True": ", its signature checked", "False": ", not signed"}
_SAID: Final = {
    "list_id": "Audience",
    "status": "Status",
    "timestamp_signup": "Signed up",
    "ip_signup": "From IP address",
    "timestamp_opt": "Opted in",
    "ip_opt": "Confirmed from IP",
    "source": "Source",
    "action": "Action",
    "reason": "Reason",
    "unsubscribe_reason": "Words of the person",
    "initiated_by": "Made by",
    "campaign_id": "Campaign",
    "last_changed": "Changed in Mailchimp",
}
"""Parts of a statement and their labels, in the order of the document."""


def write_document(evidence: Evidence, address: str | None, now: datetime) -> str:
    """The document.

    Args:
        evidence: What the trail holds.
        address: The person's address; None where it was erased.
        now: The time at which it is made.
    """
    who = _text(address) if address else "a person whose data was erased"
    made = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    articles = "\n".join(map(_article, evidence.proofs)) or "<p>The trail has no entry about it.</p>"
    facts = json.dumps(facts_of(evidence), ensure_ascii=True).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evidence of consent</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Evidence of consent: {who}</h1>\n"
        f"<p>Made {made} from the audit trail. Person {evidence.person}, "
        f"anchor <code>{evidence.anchor}</code>.</p>\n"
        f"<h2>What was recorded, the oldest first</h2>\n{articles}\n<h2>What proves it</h2>\n<p>{_HOW}</p>\n"
        f"{_BEGIN}{facts}{_END}\n</body></html>\n"
    )


def read_facts(document: str) -> dict[str, Any]:
    """The facts of a document.

    Raises:
        DataError: It has none.
    """
    begin, end = document.find(_BEGIN), document.rfind(_END)
    try:
        facts: dict[str, Any] = json.loads(document[begin + len(_BEGIN) : end] if 0 <= begin < end else "")
    except ValueError as error:
        raise DataError(
            "The file is not one that `sync-audit evidence` wrote.", advice="Check the file's name."
        ) from error
    return facts


def _article(proof: Proof) -> str:
    entry = proof.entry
    origin = "Mailchimp, by an event" if entry.event_id else entry.source_key
    facts = {
        "Consent": entry.consent,
        "When": format_time(entry.source_updated_on) or None,
        "Recorded": f"{format_time(entry.recorded_at)} UTC",
        "From": origin,
        "Event": entry.event_id,
        "Address": entry.subject if not entry.erased else "(erased)",
        "Address before": entry.former_subject,
        "Written to": entry.targets,
        "Answer": describe_response(entry, printable),
        "Entry": f"run {entry.run_id} entry {entry.seq} of {entry.plugin}",
    }
    said = {} if proof.statement is None else _statement(proof.statement)
    changes = {name: " → ".join(map(format_value, values)) for name, values in (entry.changes or {}).items()}
    flaw = f"<p><strong>The trail was changed: {proof.flaw} do not make its digest.</strong></p>"
    rows = "".join(
        f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>"
        for name, value in {**facts, **said, **changes}.items()
        if value
    )
    return (
        f"<article><strong>{_text(format_word(entry.action))}</strong>: {_text(describe_entry(entry))}"
        f"{flaw if proof.flaw else ''}"
        f"<dl>{rows}<dt>Digest</dt><dd><code>{proof.digest}</code></dd></dl></article>"
    )


def _statement(said: Mapping[str, Any]) -> dict[str, str]:
    """Mailchimp's words about the consent under their labels, and first who told them."""
    if not said:
        return {"Kept with it": "(encrypted, and the key is not set in AUDIT_ENCRYPTION_KEY)"}
    signed = _SIGNED.get(str(said.get("is_signed")), "")
    confirmed = f", {said['confirmation']} by a look at the member" if said.get("confirmation") else ""
    told_by = str(said.get("told_by"))
    return {
        "Told by": f"{_TOLD_BY.get(told_by, told_by)}{signed}{confirmed}",
        "Received": f"{format_time(str(said.get('received_at') or ''))} UTC",
        **{label: str(said[name]) for name, label in _SAID.items() if said.get(name)},
    }


def _text(value: object) -> str:
    return html.escape(printable(value))
