"""One request to the API as its handler sees it, and the table that leads from a path to handlers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.common.request_log import UNKNOWN
from simulators.mailchimp import problems, queries
from simulators.mailchimp.account import Account, Actor
from simulators.mailchimp.model import Audience, Member
from simulators.mailchimp.problems import Problem
from simulators.mailchimp.queries import FIELDS, select
from simulators.mailchimp.rendering import shown_id
from simulators.mailchimp.simulator import Simulator
from simulators.mailchimp.validation import Shape, complaints

PREFIX = "/3.0"
Item = TypeVar("Item")


class Call:
    """A request whose body has been read."""

    def __init__(self, simulator: Simulator, request: Request, raw: bytes) -> None:
        self.simulator = simulator
        self.request = request
        self.query: Mapping[str, str] = request.query_params
        self._raw = raw

    @property
    def account(self) -> Account:
        return self.simulator.account

    @property
    def actor(self) -> Actor:
        return Actor("api", f"{self.request.method} {self.request.url.path}")

    def page(self, items: Sequence[Item]) -> Sequence[Item]:
        """The rows that a listing shows, which may be fewer than it was asked for."""
        return queries.page(items, self.query)[: self.account.switches.largest_page]

    def name(self, parameter: str) -> str:
        value: str = self.request.path_params[parameter]
        return value

    def audience(self) -> Audience:
        audience = self.account.audiences.get(self.name("list_id"))
        if audience is None:
            raise problems.not_found()
        return audience

    def find_member(self) -> Member | None:
        audience, key = self.audience(), self.name("subscriber_hash")
        if self.account.switches.member_ids == "other" and len(key) == _ID_LENGTH and "@" not in key:
            members = audience.members.values()
            return next(
                (one for one in members if key in {shown_id(self.account, one), one.contact_id}), None
            )
        return audience.find(key)

    def member(self) -> Member:
        member = self.find_member()
        if member is None:
            raise problems.not_found()
        return member

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            Problem: It is no JSON, or no object.
        """
        try:
            body = msgspec.json.decode(self._raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise problems.not_json() from None
        if not isinstance(body, dict):
            raise problems.not_valid([problems.FieldError("", "Schema describes object")])
        return body

    def body(self, shape: Shape, *required: str) -> dict[str, Any]:
        """The body as an object that fits a table.

        Raises:
            Problem: It does not fit.
        """
        body = self.json()
        errors = complaints(body, shape, required=required, strict=self.account.switches.strict_bodies)
        if errors:
            raise problems.not_valid(errors)
        return body

    def know_parameters(self, known: frozenset[str]) -> None:
        """Refuse query parameters that this simulator does not know, so that a test notices."""
        unknown = sorted(set(self.query) - known)
        if unknown and self.account.switches.strict_queries:
            self.request.scope[UNKNOWN] = f"query parameters: {', '.join(unknown)}"
            raise problems.invalid_resource(
                f"The simulator does not know the parameters {', '.join(unknown)}."
            )


_ID_LENGTH = 32

Answer = Mapping[str, Any] | None
"""The body of a success; None answers 204."""
Handler = Callable[[Call], "Answer | Awaitable[Answer]"]


class Resource:
    """A path with a handler per method; every other method is answered 405.

    Args:
        path: Below `/3.0`.
        parameters: The query parameters that any of its methods takes.
        handlers: By method.
    """

    def __init__(self, path: str, *parameters: str, **handlers: Handler) -> None:
        self._path = path
        self._parameters = frozenset(parameters) | set(FIELDS)
        self._handlers = handlers

    def route(self, simulator: Simulator) -> Route:
        async def endpoint(request: Request) -> Response:
            call = Call(simulator, request, await request.body())
            try:
                response = _success(await self._answer(call))
            except Problem as problem:
                response = problem.response(request.scope["state"]["instance"])
            return response

        return Route(PREFIX + self._path, endpoint, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])

    async def _answer(self, call: Call) -> Answer:
        handler = self._handlers.get(call.request.method)
        if handler is None:
            call.request.scope[UNKNOWN] = f"the method {call.request.method} of {self._path}"
            raise problems.method_not_allowed(", ".join(self._handlers))
        call.know_parameters(self._parameters)
        answer = handler(call)
        answer = await answer if inspect.isawaitable(answer) else answer
        if answer is None:
            return None
        document = dict(answer)
        if call.account.switches.total_items == "page" and "total_items" in document:
            rows = (value for name, value in document.items() if isinstance(value, list) and name != "_links")
            document["total_items"] = len(next(rows, ()))
        return select(document, call.query)


def _success(answer: Answer) -> Response:
    if answer is None:
        return Response(status_code=204)
    # The standard library's encoder would take most of the time of a page.
    return Response(msgspec.json.encode(answer), media_type="application/json")
