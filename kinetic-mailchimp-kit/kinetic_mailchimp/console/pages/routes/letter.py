"""Routes of one dead letter: its page, and the forms that correct and close it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.dead_letters.closing import EntryId, close, find_open, parse_reason
from kinetic_mailchimp.audit.dead_letters.correction import (
    ADDRESSES,
    correct,
    parse_corrections,
    read_letter,
)
from kinetic_mailchimp.audit.reading.decision_details import load_details
from kinetic_mailchimp.audit.reading.listings import Key
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.audit.trail.letter_states import WAITING_STATES
from kinetic_mailchimp.console.pages.site import Site, name_of_visitor
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError

_FIELD: Final = "set."
"""Beginning of the names of the form's fields that correct a property."""


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the page of a dead letter, and its two forms."""
    trail = site.trail

    @router.get("/failures/{run}/{entry}")
    def show_letter(request: Request, run: str, entry: str) -> Response:
        return _show(site, request, _place(run, entry))

    @router.post("/failures/{run}/{entry}/correct")
    def correct_letter(request: Request, run: str, entry: str) -> Response:
        place, form = _place(run, entry), request.state.form
        texts = {name.removeprefix(_FIELD): form[name] for name in form if name.startswith(_FIELD)}
        try:
            found = read_letter(trail, place)
            values = parse_corrections(found, texts)
            if found.letter.is_opt_out and values.keys() & set(ADDRESSES):
                _check_sure(form)
            number = correct(trail, found, values, corrected_by=name_of_visitor(request))
        except (ConfigurationError, TransientError, ValueError) as error:
            return _show(site, request, place, str(error))
        return site.redirect(f"/failures/{number}/1")

    @router.post("/failures/{run}/{entry}/close")
    def close_letter(request: Request, run: str, entry: str) -> Response:
        place, form = _place(run, entry), request.state.form
        try:
            (letter,) = find_open(trail, [place])
            reason = parse_reason(form.get("because", ""))
            if letter.is_opt_out:
                _check_sure(form)
            close(trail, [letter], because=reason, closed_by=name_of_visitor(request))
        except (ConfigurationError, TransientError, ValueError) as error:
            return _show(site, request, place, str(error))
        return site.redirect(f"/failures/{place}")


def _show(site: Site, request: Request, place: EntryId, problem: str = "") -> Response:
    trail = site.trail
    with trail.database.reading() as connection:
        details = load_details(connection, [Key("", place.run_id, place.seq)])
        directions = read_directions(connection)
    if not details or details[0].entry.dead_letter is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    letter, found, status = None, None, HTTPStatus.CONFLICT if problem else HTTPStatus.OK
    if details[0].entry.dead_letter in WAITING_STATES:
        try:
            (letter,) = find_open(trail, [place])
            found = read_letter(trail, place)
        except ConfigurationError as error:
            problem = problem or str(error)
    return site.views.page(
        request,
        "letter",
        status,
        here="failures",
        place=str(place),
        one=details[0],
        letter=letter,
        found=found,
        problem=problem,
        directions=directions,
    )


def _place(run: str, entry: str) -> EntryId:
    try:
        return EntryId.parse(f"{run}/{entry}")
    except ValueError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND) from error


def _check_sure(form: Mapping[str, str]) -> None:
    if form.get("sure") != "yes":
        raise ValueError("It tells of an opt-out: confirm that the person may stay without it.")
