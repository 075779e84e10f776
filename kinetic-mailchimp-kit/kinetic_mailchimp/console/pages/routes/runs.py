"""Routes of the overview and of runs."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.reading.decision_details import load_details
from kinetic_mailchimp.audit.reading.listings import PAGE, decisions_of_run, is_number
from kinetic_mailchimp.audit.reading.runs import find_run, list_runs, read_directions
from kinetic_mailchimp.console.pages.overview import build_overview
from kinetic_mailchimp.console.pages.plots import SPANS
from kinetic_mailchimp.console.pages.site import Site


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the overview and the pages of runs."""
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
            listing = decisions_of_run(connection, run, action or None, first)
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
