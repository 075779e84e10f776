"""Fills the templates: everything is escaped, and a value that a template misses is an error."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kinetic_mailchimp.audit.cli.render import moment
from kinetic_mailchimp.console.pages import words
from kinetic_mailchimp.console.pages.plots import SPANS, step
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.timestamps import Clock

_FOLDER: Final = Path(__file__).parent
STATIC_FOLDER: Final = _FOLDER / "static"
_PROBLEMS: Final = {
    HTTPStatus.UNAUTHORIZED: ("Not logged in", "The proxy in front of these pages does not say who you are."),
    HTTPStatus.FORBIDDEN: (
        "That form was too old",
        "It was made before you logged in, or elsewhere. Nothing was done. Load its page, and repeat it.",
    ),
    HTTPStatus.NOT_FOUND: ("Not here", "There is no such page, run or person in this trail."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Not that way", "This address takes other requests."),
    HTTPStatus.CONFLICT: (
        "Not started",
        "Another replay is at work, or no command is set for this target. The page of failures says which.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("Too much", "No form of these pages is that large."),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The database did not answer",
        "Nothing was changed. Check that its disk is not full and its server runs, then load the page again.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "That is our fault",
        "The log says what broke off. Nothing was changed.",
    ),
}


class Views:
    """Makes pages.

    Args:
        settings: Under which address.
        clock: Returns the present time.
    """

    def __init__(self, settings: PagesSettings, clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        style = (STATIC_FOLDER / "style.css").read_bytes()
        self._environment.globals.update(
            root=settings.root,
            style_version=blake2b(style, digest_size=6).hexdigest(),
            spans=SPANS,
            step=step,
            direction=words.direction,
            tone=words.tone,
            spoken=words.spoken,
            number=words.number,
            told=words.told,
            lasted=words.lasted,
            moment=moment,
        )

    def page(
        self, request: Request, template: str, status: int = HTTPStatus.OK, **values: object
    ) -> HTMLResponse:
        """A page for whoever asked.

        Args:
            request: What was asked.
            template: The template's name without its ending.
            status: The HTTP status.
            **values: What the template shows.
        """
        now = self._clock()
        html = self._environment.get_template(f"{template}.html").render(
            visitor=request.state.visitor,
            now=now,
            age_of=lambda text: words.age_of(text, now),
            **values,
        )
        return HTMLResponse(html, status)

    def problem(self, request: Request, status: HTTPStatus, told: str = "") -> HTMLResponse:
        """A page that says what is wrong."""
        title, text = _PROBLEMS.get(status, (status.phrase, status.description))
        return self.page(request, "problem", status, title=title, text=told or text)

    def plain(self, status: HTTPStatus, text: str) -> PlainTextResponse:
        """A line for whoever is no person in front of a page."""
        return PlainTextResponse(text, status)
