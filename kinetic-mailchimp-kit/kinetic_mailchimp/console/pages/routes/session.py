"""Routes of the login, and of what needs none."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from kinetic_mailchimp.console.pages.login import COOKIE, SESSION_SECONDS
from kinetic_mailchimp.console.pages.site import Site


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the login, the logout and the health of the pages."""
    views = site.views
    cookie: dict[str, Any] = {
        "key": COOKIE,
        "path": site.settings.root or "/",
        "secure": site.settings.is_https,
        "httponly": True,
        "samesite": "strict",
    }

    @router.get("/login")
    def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
        return views.page(request, "login", wrong="", after=next)

    @router.get("/healthz")
    def healthz() -> Response:
        with site.trail.database.reading():
            return PlainTextResponse("ready\n")

    # Not in a thread, like the others, but one at a time: the counts of wrong tokens are theirs alone.
    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form, client = request.state.form, request.state.client
        after = local_path(form.get("next", ""))
        if seconds := site.wrong_tokens.wait(client):
            wrong = f"Too many wrong tokens. Try again in {seconds} seconds."
            page = views.page(request, "login", HTTPStatus.TOO_MANY_REQUESTS, wrong=wrong, after=after)
            page.headers["Retry-After"] = str(seconds)
            return page
        if not site.login.is_token(form.get("token", "")):
            site.wrong_tokens.count(client)
            wrong = "That is not the token."
            return views.page(request, "login", HTTPStatus.UNAUTHORIZED, wrong=wrong, after=after)
        answer = site.redirect(after)
        answer.set_cookie(value=site.login.new_session(), max_age=SESSION_SECONDS, **cookie)
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        site.login.end_session(request.cookies.get(COOKIE))
        answer = site.redirect("/login")
        answer.delete_cookie(**cookie)
        return answer


def local_path(text: str) -> str:
    """A path of these pages to redirect to; the first page in place of anything that leads elsewhere."""
    leads_elsewhere = not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable()
    return "/" if leads_elsewhere or text.startswith("/login") else text
