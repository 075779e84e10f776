"""Which address shows what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import islice
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.run import OPEN
from kinetic_mailchimp.console.pages import consent, overview
from kinetic_mailchimp.console.pages.consent_csv import lines
from kinetic_mailchimp.console.pages.plots import SPANS
from kinetic_mailchimp.console.pages.run_lists import one_run, runs_before
from kinetic_mailchimp.console.pages.site import Site
from kinetic_mailchimp.console.pages.stories import (
    PAGE,
    Key,
    Story,
    is_number,
    load,
    of_person,
    of_run,
    of_waiting,
    waiting_plugins,
)

_DIGEST_LETTERS: Final = frozenset("0123456789abcdef")
_DIGEST_LENGTH: Final = 32


def reading(site: Site) -> APIRouter:
    """The pages that are read."""
    router = APIRouter()
    for some in (_runs, _people, _reports, _others):
        router.include_router(some(site))
    return router


def _runs(site: Site) -> APIRouter:
    """What runs did."""
    router = APIRouter()
    trail, views = site.trail, site.views

    @router.get("/")
    def show_overview(request: Request, span: str = "") -> Response:
        chosen = SPANS.get(span) or next(iter(SPANS.values()))
        seen = overview.look(trail, chosen, trail.clock())
        health = site.watch.health if site.watch else None
        return views.page(request, "overview", here="overview", seen=seen, span=chosen, health=health)

    @router.get("/runs")
    def show_runs(request: Request, plugin: str = "", before: str = "") -> Response:
        start = int(before) if is_number(before) else None
        with trail.database.reading() as connection:
            found = runs_before(connection, plugin=plugin or None, start=start, most=PAGE + 1)
        return views.page(
            request,
            "runs",
            here="runs",
            runs=found[:PAGE],
            plugin=plugin,
            start=start,
            next=found[PAGE - 1].id if len(found) > PAGE else None,
        )

    @router.get("/runs/{number}")
    def show_run(request: Request, number: str, action: str = "", start: str = "") -> Response:
        first = int(start) if is_number(start) else 0
        with trail.database.reading() as connection:
            run = one_run(connection, int(number)) if is_number(number) else None
            if run is None:
                raise HTTPException(HTTPStatus.NOT_FOUND)
            listing = of_run(connection, run, action or None, first)
            stories = load(connection, listing.keys)
        return views.page(
            request,
            "run",
            here="runs",
            run=run,
            action=action,
            stories=stories,
            first=first,
            next=listing.next.seq + 1 if listing.next else None,
        )

    return router


def _people(site: Site) -> APIRouter:
    """What happened to whom."""
    router = APIRouter()
    trail, views = site.trail, site.views

    @router.get("/people")
    def show_people(request: Request) -> Response:
        return views.page(request, "people", here="people", unknown=False)

    @router.get("/people/{digest}")
    def show_person(request: Request, digest: str, before: str = "") -> Response:
        if len(digest) != _DIGEST_LENGTH or not _DIGEST_LETTERS.issuperset(digest):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        person = bytes.fromhex(digest)
        start = Key.parse(before)
        with trail.database.reading() as connection:
            listing = of_person(connection, person, start)
            stories = load(connection, listing.keys)
            standing = consent.standing(connection, person)
        if not stories and start is None:
            return views.page(request, "people", HTTPStatus.NOT_FOUND, here="people", unknown=True)
        return views.page(
            request,
            "person",
            here="people",
            digest=digest,
            address=_address(trail, stories, person),
            stories=stories,
            standing=standing,
            start=start,
            next=listing.next,
        )

    return router


def _reports(site: Site) -> APIRouter:
    """What waits, and who opted out."""
    router = APIRouter()
    trail, views = site.trail, site.views

    @router.get("/failures")
    def show_failures(request: Request, plugin: str = "", after: str = "") -> Response:
        start = Key.parse(after)
        with trail.database.reading() as connection:
            waiting = {
                one: (
                    overview.waiting(connection, plugin=one),
                    overview.waiting(connection, plugin=one, states=(OPEN,)),
                )
                for one in waiting_plugins(connection)
            }
            listing = of_waiting(connection, start, plugin or None)
            stories = load(connection, listing.keys)
        return views.page(
            request,
            "failures",
            here="failures",
            waiting=waiting,
            replays=site.replays,
            plugin=plugin,
            stories=stories,
            start=start,
            next=listing.next,
        )

    @router.get("/consent")
    def show_consent(request: Request, after: str = "") -> Response:
        start = Key.parse(after)
        with trail.database.reading() as connection:
            report = consent.opted_out(connection, start)
        return views.page(request, "consent", here="consent", report=report, start=start)

    @router.get("/consent.csv")
    def send_consent() -> Response:
        name = f"opted-out-{trail.clock():%Y-%m-%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(
            lines(_everyone(trail)), media_type="text/csv; charset=utf-8", headers=headers
        )

    return router


def _others(site: Site) -> APIRouter:
    """What is there without a login."""
    router = APIRouter()
    trail, views = site.trail, site.views

    @router.get("/login")
    def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
        return views.page(request, "login", wrong="", after=next)

    @router.get("/healthz")
    def healthz() -> Response:
        with trail.database.reading():
            return PlainTextResponse("ready\n")

    return router


def _address(trail: AuditTrail, stories: Iterable[Story], person: bytes) -> str | None:
    """The address that stands for a person, from what is shown; None where it was erased."""
    texts = (text for story in stories for text in (story.entry.subject, story.entry.former_subject) if text)
    return next(islice((text for text in texts if trail.person(text) == person), 1), None)


def _everyone(trail: AuditTrail) -> Iterator[consent.OptOut]:
    """Everyone who opted out, a page at a time: no transaction stays open while somebody downloads."""
    start: Key | None = None
    while True:
        with trail.database.reading() as connection:
            report = consent.opted_out(connection, start)
        yield from report.people
        if report.next is None:
            return
        start = report.next
