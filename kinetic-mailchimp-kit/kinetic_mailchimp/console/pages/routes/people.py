"""Routes of people, and of the document of a person's consent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.reading.audiences import read_audiences
from kinetic_mailchimp.audit.reading.consent import find_last_consent
from kinetic_mailchimp.audit.reading.decision_details import load_details
from kinetic_mailchimp.audit.reading.evidence import gather
from kinetic_mailchimp.audit.reading.listings import Key, decisions_of_person
from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.audit.reading.reports.evidence_document import write_document
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.console.pages.site import Site, download
from kinetic_mailchimp.mailchimp import subscriber_hash

_DIGEST: Final = re.compile("[0-9a-f]{32}")


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the pages of people, with their form, and the document of a person's consent."""
    trail, views = site.trail, site.views

    @router.post("/people")
    def find_person(request: Request) -> Response:
        return site.redirect(f"/people/{trail.person(request.state.form.get('email', '')).hex()}")

    @router.get("/people")
    def show_people(request: Request) -> Response:
        return views.page(request, "people", here="people", unknown=False)

    @router.get("/people/{digest}")
    def show_person(request: Request, digest: str, before: str = "") -> Response:
        person, start = _person(digest), Key.parse(before)
        with trail.database.reading() as connection:
            listing = decisions_of_person(connection, person, start)
            details = load_details(connection, listing.keys)
            directions = read_directions(connection)
            last_consent = find_last_consent(connection, person)
        if not details and start is None:
            return views.page(request, "people", HTTPStatus.NOT_FOUND, here="people", unknown=True)
        address = _address(trail, (one.entry for one in details), person)
        return views.page(
            request,
            "person",
            here="people",
            digest=digest,
            address=address,
            audiences=read_audiences(trail, address, vendor_hash=subscriber_hash) if address else None,
            details=details,
            directions=directions,
            last_consent=last_consent,
            start=start,
            next=listing.next,
        )

    @router.get("/people/{digest}/evidence.html")
    def send_evidence(digest: str) -> Response:
        person = _person(digest)
        found = gather(trail, person)
        address = _address(trail, (one.entry for one in found.proofs), person)
        document = write_document(found, address, trail.clock())
        return download(f"evidence-of-consent-{trail.clock():%Y-%m-%d}.html", "text/html", [document])


def _person(digest: str) -> bytes:
    if not _DIGEST.fullmatch(digest):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return bytes.fromhex(digest)


def _address(trail: AuditTrail, entries: Iterable[EntryView], person: bytes) -> str | None:
    """The address of a person, from entries about them; None where it was erased."""
    texts = (text for entry in entries for text in (entry.subject, entry.former_subject) if text)
    return next((text for text in texts if trail.person(text) == person), None)
