"""Routes of the previews of a mapping: records beside what each side would get."""

from __future__ import annotations

import re
import shlex
import subprocess
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.plans.previews import Preview, panels, read_previews
from kinetic_mailchimp.audit.reading.listings import is_number
from kinetic_mailchimp.console.pages.site import Site
from kinetic_mailchimp.kit.redaction.masker import MASKER

_SECONDS: Final = 120
_STREAM: Final = re.compile("[a-z][a-z0-9_]{0,62}")
_FAILED: Final = "The preview was not made."


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the previews, and of the form that makes one. Neither writes to Epicor or Mailchimp."""

    @router.get("/previews")
    def show_newest(request: Request) -> Response:
        found = read_previews(site.trail)
        return _page(site, request, found, found[0] if found else None)

    @router.get("/previews/{number}")
    def show_one(request: Request, number: str) -> Response:
        found = read_previews(site.trail)
        one = next((one for one in found if is_number(number) and one.number == int(number)), None)
        if one is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _page(site, request, found, one)

    @router.post("/previews")
    def make(request: Request) -> Response:
        form = request.state.form
        record, stream = form.get("record", "").strip(), form.get("stream", "").strip()
        if not site.settings.preview:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        problem = "Name the stream of the tap, such as customers."
        if _STREAM.fullmatch(stream):
            problem = _start(site.settings.preview, stream, record)
        if not problem:
            return site.redirect("/previews")
        found = read_previews(site.trail)
        return _page(site, request, found, None, problem=problem, status=HTTPStatus.CONFLICT)


def _page(
    site: Site,
    request: Request,
    found: list[Preview],
    one: Preview | None,
    *,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    return site.views.page(
        request,
        "previews",
        status,
        here="previews",
        previews=found,
        one=one,
        records=[(record, list(panels(record))) for record in one.records] if one else [],
        can_make=bool(site.settings.preview),
        problem=problem,
    )


def _start(command: str, stream: str, record: str) -> str:
    """Make a preview with the command of the settings; what went wrong, in words, or an empty text."""
    given = ["--record", "-"] if record else []
    try:
        ended = subprocess.run(  # noqa: S603 - the operator names the command, and no shell takes part
            [*shlex.split(command), "--stream", stream, *given],
            input=record,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{_FAILED} Its command could not be started, or was not done within {_SECONDS} s."
    lines = ended.stderr.strip().splitlines()
    return "" if ended.returncode == 0 else MASKER.mask(f"{_FAILED} {lines[-1] if lines else ''}".rstrip())
