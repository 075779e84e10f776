"""A plain HTTP client of the simulated API, for tests that look at every answer themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from simulators.mailchimp.control import Control
from simulators.mailchimp.identity import subscriber_hash
from simulators.mailchimp.routes.webhooks import EVENTS

Json = dict[str, Any]


class PlainClient:
    """Calls the API with its key and hands out the answers as they are.

    In paths, which are relative to `/3.0`, `{list}` stands for the main list.

    Args:
        hello: What the simulator says a client needs.
    """

    def __init__(self, hello: Mapping[str, Any]) -> None:
        self.base_url: str = hello["base_url"]
        self.api_key: str = hello["api_key"]
        self.list_id: str = hello["list_id"]
        self.control = Control(hello["control_url"], self.list_id)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = ("anything", self.api_key)

    def close(self) -> None:
        self.session.close()

    def call(self, method: str, path: str, json: Any = None, **query: Any) -> requests.Response:
        url = self.base_url + path.replace("{list}", self.list_id)
        return self.session.request(method, url, json=json, params=query, timeout=30)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, **query)

    def put(self, path: str, json: Any, **query: Any) -> requests.Response:
        return self.call("PUT", path, json, **query)

    def patch(self, path: str, json: Any, **query: Any) -> requests.Response:
        return self.call("PATCH", path, json, **query)

    def post(self, path: str, json: Any = None, **query: Any) -> requests.Response:
        return self.call("POST", path, json, **query)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)

    def upsert(self, email: str, list_id: str = "{list}", **body: Any) -> requests.Response:
        """PUT a member, subscribed if new."""
        body = {"email_address": email, "status_if_new": "subscribed", **body}
        return self.put(member_path(email, list_id), body)

    def batch(
        self, *members: Mapping[str, Any], list_id: str = "{list}", **options: Any
    ) -> requests.Response:
        """POST members to a list, those that exist included; options named `skip_…` go to the query."""
        query = {name: options.pop(name) for name in list(options) if name.startswith("skip_")}
        body = {"members": list(members), "update_existing": True, **options}
        return self.post(f"/lists/{list_id}", body, **query)

    def member(self, email: str, list_id: str = "{list}") -> Json:
        """A member that exists.

        Raises:
            requests.HTTPError: It does not.
        """
        answer = self.get(member_path(email, list_id))
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def register(self, url: str, *, api: bool = True) -> Json:
        """Create a webhook for everything; `api` says whether it hears of writes of the API."""
        body = {
            "url": url,
            "events": dict.fromkeys(EVENTS, True),
            "sources": {"user": True, "admin": True, "api": api},
        }
        answer = self.post("/lists/{list}/webhooks", body)
        answer.raise_for_status()
        hook: Json = answer.json()
        return hook


def member_path(email: str, list_id: str = "{list}") -> str:
    """The path of a member by the hash of its address."""
    return f"/lists/{list_id}/members/{subscriber_hash(email)}"
