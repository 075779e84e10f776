"""Rendering of the templates: everything is escaped, and a missing value is an error."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kinetic_mailchimp.audit.reading import formatting
from kinetic_mailchimp.console.pages.plots import SPANS, number, step
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.parsing.timestamps import Clock
from kinetic_mailchimp.kit.redaction.plain_text import plain

_FOLDER: Final = Path(__file__).parent
STATIC_FOLDER: Final = _FOLDER / "static"
LONGEST_VALUE: Final = 300
_FORMATTERS: Final = (
    "describe_entry",
    "describe_origin",
    "describe_response",
    "format_duration",
    "format_time",
    "format_word",
    "tone",
)
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
    """Renders pages."""

    def __init__(self, settings: PagesSettings, clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            # What turns the direction of writing could show an address as another one.
            finalize=lambda value: plain(value) if type(value) is str else value,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        style = (STATIC_FOLDER / "style.css").read_bytes()
        self._environment.globals.update(
            root=settings.root,
            style_version=blake2b(style, digest_size=6).hexdigest(),
            spans=SPANS,
            step=step,
            number=number,
            show=show,
            **{name: getattr(formatting, name) for name in _FORMATTERS},
        )

    def page(
        self, request: Request, template: str, status: int = HTTPStatus.OK, **values: object
    ) -> HTMLResponse:
        """Render a page."""
        now = self._clock()
        html = self._environment.get_template(f"{template}.html").render(
            visitor=request.state.visitor,
            now=now,
            age_of=lambda text: formatting.age_of(text, now),
            **values,
        )
        return HTMLResponse(html, status)

    def problem(self, request: Request, status: HTTPStatus) -> HTMLResponse:
        """Render a page about an error."""
        title, text = _PROBLEMS.get(status, (status.phrase, status.description))
        return self.page(request, "problem", status, title=title, text=text)

    def plain(self, status: HTTPStatus, text: str) -> PlainTextResponse:
        """A line of plain text, for a program."""
        return PlainTextResponse(text, status)


def show(value: object) -> str:
    """A value as text that fits on a page, with its whole length where it is cut."""
    text = formatting.format_value(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({number(len(text))} characters)"
