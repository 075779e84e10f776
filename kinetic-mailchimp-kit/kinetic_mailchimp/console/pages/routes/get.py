"""Routes of the pages that show something."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import fields
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from kinetic_mailchimp.audit.reading.audiences import read_audiences
from kinetic_mailchimp.audit.reading.consent import find_last_consent
from kinetic_mailchimp.audit.reading.dead_letters import count_waiting, waiting_plugins
from kinetic_mailchimp.audit.reading.decision_details import DecisionDetail, load_details
from kinetic_mailchimp.audit.reading.evidence import gather
from kinetic_mailchimp.audit.reading.listings import PAGE, Key, is_number, of_person, of_run, of_waiting
from kinetic_mailchimp.audit.reading.reports.evidence_document import write_document
from kinetic_mailchimp.audit.reading.reports.export import csv_lines
from kinetic_mailchimp.audit.reading.reports.opt_out_report import OptOut, all_opt_outs, list_opt_outs
from kinetic_mailchimp.audit.reading.reports.quality_report import COLUMNS as FLAWED_COLUMNS
from kinetic_mailchimp.audit.reading.reports.quality_report import QualityFilter, all_flawed, read_quality
from kinetic_mailchimp.audit.reading.runs import find_run, list_runs, read_directions
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.letter_states import OPEN
from kinetic_mailchimp.console.pages.overview import build_overview
from kinetic_mailchimp.console.pages.plots import SPANS
from kinetic_mailchimp.console.pages.site import Site
from kinetic_mailchimp.mailchimp import subscriber_hash

_DIGEST: Final = re.compile("[0-9a-f]{32}")
_LONGEST_LIST: Final = 10_000
"""Rows that one can leaf through, as each page holds all before it; the file has them all."""


def get_router(site: Site) -> APIRouter:
    """Routes of the pages that show something."""
    router = APIRouter()
    for add_routes in (_add_runs, _add_people, _add_evidence, _add_reports, _add_quality, _add_public):
        add_routes(router, site)
    return router


def _add_runs(router: APIRouter, site: Site) -> None:
    """The overview and the pages of runs."""
    trail, views = site.trail, site.views

    @router.get("/")
    def show_overview(request: Request, span: str = "") -> Response:
        chosen = SPANS.get(span) or next(iter(SPANS.values()))
        overview = build_overview(trail, chosen, trail.clock())
        health = site.watch.health if site.watch else None
        return views.page(request, "overview", here="overview", overview=overview, span=chosen, health=health)

    @router.get("/runs")
    def show_runs(request: Request, plugin: str = "", before: str = "") -> Response:
        start = int(before) if is_number(before) else None
        with trail.database.reading() as connection:
            found = list_runs(connection, plugin=plugin or None, before=start, limit=PAGE + 1)
            plugins = list(read_directions(connection))
        return views.page(
            request,
            "runs",
            here="runs",
            runs=found[:PAGE],
            plugin=plugin,
            plugins=plugins,
            start=start,
            next=found[PAGE - 1].id if len(found) > PAGE else None,
        )

    @router.get("/runs/{number}")
    def show_run(request: Request, number: str, action: str = "", start: str = "") -> Response:
        first = int(start) if is_number(start) else 0
        with trail.database.reading() as connection:
            run = find_run(connection, int(number)) if is_number(number) else None
            if run is None:
                raise HTTPException(HTTPStatus.NOT_FOUND)
            listing = of_run(connection, run, action or None, first)
            details = load_details(connection, listing.keys)
            directions = read_directions(connection)
        return views.page(
            request,
            "run",
            here="runs",
            run=run,
            action=action,
            details=details,
            directions=directions,
            first=first,
            next=listing.next.seq + 1 if listing.next else None,
        )


def _add_people(router: APIRouter, site: Site) -> None:
    """The pages of people."""
    trail, views = site.trail, site.views

    @router.get("/people")
    def show_people(request: Request) -> Response:
        return views.page(request, "people", here="people", unknown=False)

    @router.get("/people/{digest}")
    def show_person(request: Request, digest: str, before: str = "") -> Response:
        if not _DIGEST.fullmatch(digest):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        person = bytes.fromhex(digest)
        start = Key.parse(before)
        with trail.database.reading() as connection:
            listing = of_person(connection, person, start)
            details = load_details(connection, listing.keys)
            directions = read_directions(connection)
            last_consent = find_last_consent(connection, person)
        if not details and start is None:
            return views.page(request, "people", HTTPStatus.NOT_FOUND, here="people", unknown=True)
        address = _address(trail, details, person)
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


def _add_evidence(router: APIRouter, site: Site) -> None:
    """The document of a person's consent."""
    trail = site.trail

    @router.get("/people/{digest}/evidence.html")
    def send_evidence(digest: str) -> Response:
        if not _DIGEST.fullmatch(digest):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        found = gather(trail, person := bytes.fromhex(digest))
        texts = (
            text for one in found.proofs for text in (one.entry.subject, one.entry.former_subject) if text
        )
        address = next((text for text in texts if trail.person(text) == person), None)
        document = write_document(found, address, trail.clock())
        return _file(f"evidence-of-consent-{trail.clock():%Y-%m-%d}.html", "text/html", [document])


def _add_reports(router: APIRouter, site: Site) -> None:
    """The pages of failures and of consent."""
    trail, views = site.trail, site.views

    @router.get("/failures")
    def show_failures(request: Request, plugin: str = "", after: str = "") -> Response:
        start = Key.parse(after)
        with trail.database.reading() as connection:
            waiting = {
                one: (
                    count_waiting(connection, plugins=[one]),
                    count_waiting(connection, plugins=[one], states=(OPEN,)),
                )
                for one in waiting_plugins(connection)
            }
            listing = of_waiting(connection, start, plugin or None)
            details = load_details(connection, listing.keys)
            directions = read_directions(connection)
        return views.page(
            request,
            "failures",
            here="failures",
            waiting=waiting,
            replays=site.replays,
            plugin=plugin,
            details=details,
            directions=directions,
            start=start,
            next=listing.next,
        )

    @router.get("/consent")
    def show_consent(request: Request, after: str = "") -> Response:
        start = Key.parse(after)
        with trail.database.reading() as connection:
            report = list_opt_outs(connection, start)
        return views.page(request, "consent", here="consent", report=report, start=start)

    @router.get("/consent.csv")
    def send_consent() -> Response:
        lines = csv_lines([field.name for field in fields(OptOut)], all_opt_outs(trail))
        return _file(f"opted-out-{trail.clock():%Y-%m-%d}.csv", "text/csv", lines)


def _add_quality(router: APIRouter, site: Site) -> None:
    """The pages of who cannot be mailed."""
    trail, views = site.trail, site.views

    @router.get("/quality")
    def show_quality(request: Request, kind: str = "", rep: str | None = None, start: str = "") -> Response:
        first = min(int(start), _LONGEST_LIST) if is_number(start) else 0
        wanted = QualityFilter(rep, frozenset(filter(None, [kind])))
        whole = read_quality(trail, wanted, counted=QualityFilter(), start=first, length=PAGE)
        return views.page(
            request,
            "quality",
            here="quality",
            whole=whole,
            kind=kind,
            rep=rep,
            start=first,
            next=first + PAGE if whole.matching > first + PAGE <= _LONGEST_LIST else None,
            request_query=request.url.query,
        )

    @router.get("/quality.csv")
    def send_quality(kind: str = "", rep: str | None = None) -> Response:
        found = all_flawed(trail, QualityFilter(rep, frozenset(filter(None, [kind]))))
        return _file(
            f"cannot-be-mailed-{trail.clock():%Y-%m-%d}.csv", "text/csv", csv_lines(FLAWED_COLUMNS, found)
        )


def _file(name: str, kind: str, lines: Iterable[str]) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # Excel takes a CSV file without this mark for one in the encoding of its own machine.
    marked = itertools.chain(["\ufeff"], lines) if kind == "text/csv" else lines
    return StreamingResponse(marked, media_type=f"{kind}; charset=utf-8", headers=headers)


def _add_public(router: APIRouter, site: Site) -> None:
    """The pages that need no login."""
    trail, views = site.trail, site.views

    @router.get("/login")
    def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
        return views.page(request, "login", wrong="", after=next)

    @router.get("/healthz")
    def healthz() -> Response:
        with trail.database.reading():
            return PlainTextResponse("ready\n")


def _address(trail: AuditTrail, details: Iterable[DecisionDetail], person: bytes) -> str | None:
    """The address of a person, from the decisions on a page; None where it was erased."""
    texts = (text for one in details for text in (one.entry.subject, one.entry.former_subject) if text)
    return next((text for text in texts if trail.person(text) == person), None)
