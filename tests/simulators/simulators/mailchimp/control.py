"""A typed client of the simulator's control API, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

Json = dict[str, Any]


@dataclass(frozen=True)
class Control:
    """Speaks to the control API of a running simulator.

    Attributes:
        url: Its address, which ends in `/__control`.
        list_id: The list that is meant where none is named.
    """

    url: str
    list_id: str

    def _call(self, method: str, path: str, **options: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, self.url + path, timeout=120, **options)
        if not response.ok:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()

    # People.

    def act(self, action: str, email: str, list_id: str | None = None, **details: Any) -> None:
        """Let a person do something; the actions are those of `people.ACTS`."""
        body = {"list_id": list_id or self.list_id, "email": email, **details}
        self._call("POST", f"/people/{action}", json=body)

    def subscribe(self, email: str, list_id: str | None = None, **details: Any) -> None:
        self.act("subscribe", email, list_id, **details)

    def confirm(self, email: str, list_id: str | None = None) -> None:
        self.act("confirm", email, list_id)

    def unsubscribe(self, email: str, list_id: str | None = None, **details: Any) -> None:
        """`by="admin"` makes it an act of the account's admin; `reason` and `campaign_id` are optional."""
        self.act("unsubscribe", email, list_id, **details)

    def complain(self, email: str, list_id: str | None = None, **details: Any) -> None:
        self.act("complain", email, list_id, **details)

    def bounce(self, email: str, list_id: str | None = None, **details: Any) -> None:
        """A hard bounce unless `kind="soft"`."""
        self.act("bounce", email, list_id, **details)

    def edit_profile(self, email: str, list_id: str | None = None, **details: Any) -> None:
        """`merge_fields`, `email_type`, `language`, `vip`, `interests` (ids)."""
        self.act("edit_profile", email, list_id, **details)

    def change_address(self, email: str, new_email: str, list_id: str | None = None) -> None:
        self.act("change_address", email, list_id, new_email=new_email)

    def archive(self, email: str, list_id: str | None = None) -> None:
        self.act("archive", email, list_id)

    def delete_permanently(self, email: str, list_id: str | None = None) -> None:
        self.act("delete_permanently", email, list_id)

    # The scene.

    def put_members(self, members: Iterable[Mapping[str, Any]], list_id: str | None = None) -> None:
        """Place contacts, without a word to any webhook.

        Each has an `email` and a `state`, which is a name of `consent.Standing` in any case; `merge_fields`,
        `tags` and `last_changed` (seconds since the epoch) are optional.
        """
        self._call("PUT", f"/lists/{list_id or self.list_id}/members", json=list(members))

    def members(self, list_id: str | None = None) -> dict[str, Json]:
        """All contacts by lower-cased address, archived and forgotten ones too; `state` says which."""
        dump = self._call("GET", f"/lists/{list_id or self.list_id}/members")["members"]
        return {entry["email_address"].lower(): entry for entry in dump}

    def add_list(self, name: str, **details: Any) -> str:
        """A further list; `double_optin`, `merge_fields`. Returns its id."""
        created: str = self._call("POST", "/lists", json={"name": name, **details})["list_id"]
        return created

    def add_campaign(self, list_id: str | None = None, **details: Any) -> str:
        body = {"list_id": list_id or self.list_id, **details}
        created: str = self._call("POST", "/campaigns", json=body)["campaign_id"]
        return created

    def switch(self, **changes: Any) -> None:
        self._call("PUT", "/switches", json=changes)

    def advance_clock(self, seconds: float) -> None:
        self._call("POST", "/clock/advance", json={"seconds": seconds})

    def set_faults(self, rules: Iterable[Mapping[str, Any]]) -> None:
        self._call("PUT", "/faults", json=list(rules))

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def faults(self) -> Json:
        answer: Json = self._call("GET", "/faults")
        return answer

    def revoke_tokens(self) -> None:
        self._call("POST", "/tokens/revoke")

    def reset(self) -> None:
        self._call("POST", "/reset")

    # What happened.

    def raises(self, outcome: str | None = None) -> list[Json]:
        """Requests that asked for consent nobody had given; outcome `raised`, `ignored` or `refused`."""
        entries: list[Json] = self._call("GET", "/raises")
        return [entry for entry in entries if outcome in (None, entry["outcome"])]

    def requests(self) -> list[Json]:
        entries: list[Json] = self._call("GET", "/requests")
        return entries

    def clear_requests(self) -> None:
        self._call("DELETE", "/requests")

    def request_counts(self) -> dict[str, int]:
        counts: dict[str, int] = self._call("GET", "/requests/counts")
        return counts

    def unknown_requests(self) -> list[Json]:
        entries: list[Json] = self._call("GET", "/requests/unknown")
        return entries

    def connections(self) -> dict[str, int]:
        """`open` now, `most` at once so far, `refused` for the limit."""
        counts: dict[str, int] = self._call("GET", "/connections")
        return counts

    def webhooks(self) -> list[Json]:
        """All webhooks, with `disabled`: empty, `gone` or `failing`."""
        hooks: list[Json] = self._call("GET", "/webhooks")
        return hooks

    def deliveries(self) -> list[Json]:
        entries: list[Json] = self._call("GET", "/webhooks/deliveries")
        return entries

    def flush_webhooks(self, *, hurry: bool = False) -> int:
        """Wait until no delivery is pending and say how many there were; `hurry` makes retries at once."""
        answer = self._call("POST", "/webhooks/flush", params={"hurry": str(hurry).lower()})
        count: int = answer["deliveries"]
        return count
