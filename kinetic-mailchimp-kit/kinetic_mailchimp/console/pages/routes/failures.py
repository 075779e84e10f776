"""Routes of the dead letters that wait: their list, and the replay of one target's."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.reading.dead_letters import count_waiting, waiting_plugins
from kinetic_mailchimp.audit.reading.decision_details import load_details
from kinetic_mailchimp.audit.reading.listings import Key, waiting_decisions
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.audit.trail.letter_states import OPEN
from kinetic_mailchimp.console.pages.site import Site


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the list of dead letters, and the form that replays them."""
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
            listing = waiting_decisions(connection, start, plugin or None)
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

    @router.post("/failures/replay")
    def replay(request: Request) -> Response:
        plugin = request.state.form.get("plugin", "")
        if not site.replays.start(plugin):
            raise HTTPException(HTTPStatus.CONFLICT)
        return site.redirect(f"/failures?plugin={quote(plugin, safe='')}")
