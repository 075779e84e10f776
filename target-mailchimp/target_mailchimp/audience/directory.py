"""Finds audiences by id or name, with their merge fields and interests."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    DataError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.mailchimp import MailchimpClient
from kinetic_mailchimp.mailchimp.audiences import find_audience, listed, name_key
from kinetic_mailchimp.mailchimp.merge_field import MergeField

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.merge_fields import missing_fields

logger = logging.getLogger(__name__)

_OPTIONAL = (DataError, PermissionDeniedError, TransientError)
"""Failures of a call that a run can do without."""


class AudienceDirectory:
    """Finds audiences by id or name, and reads each once.

    Args:
        create_merge_fields: Whether fields that a stream has and an audience lacks are made.
        dry_run: Whether they are only planned with, as if they were there.
        address_placeholder: Stands for a state and a zip that an address does not have.
    """

    def __init__(
        self,
        client: MailchimpClient,
        *,
        create_merge_fields: bool,
        address_placeholder: str = "",
        dry_run: bool = False,
    ) -> None:
        self._client = client
        self._create = create_merge_fields
        self._dry_run = dry_run
        self._placeholder = address_placeholder
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._named: dict[str, str] = {}
        self._audiences: dict[str, Audience] = {}

    def expect(self, stream: str, schema: Mapping[str, Any]) -> None:
        """Prepare the audiences that were read for the records of a stream, and all later ones."""
        self._schemas[stream] = schema
        for audience in list(self._audiences.values()):
            self._audiences[audience.id] = self._prepared(audience, [schema])

    def get(self, named: str) -> Audience:
        """The audience of an id or a name.

        Raises:
            ConfigurationError: The account has none, or several of the name; those that exist are named.
        """
        list_id = self._named.get(named)
        if list_id is None:
            found = find_audience(self._all(), named)
            self._named[named] = list_id = str(found["id"])
            if list_id not in self._audiences:
                self._audiences[list_id] = self._prepared(self._read(found), self._schemas.values())
        return self._audiences[list_id]

    def names(self, list_ids: Collection[str]) -> dict[str, str]:
        """The names of the audiences that companies feed, by id.

        Raises:
            ConfigurationError: The account does not have one of them.
        """
        known = {str(found["id"]): str(found.get("name") or found["id"]) for found in self._all()}
        for unknown in sorted(set(list_ids) - known.keys()):
            raise ConfigurationError(
                f"`audiences_by_company`: the account has no audience with the id {unknown!r}.",
                advice=f"Name an id. The account has: {self.listed()}.",
            )
        return {list_id: known[list_id] for list_id in list_ids}

    def listed(self) -> str:
        """The audiences of the account, for a message: names, and ids in parentheses."""
        return listed(self._all())

    def _all(self) -> list[Mapping[str, Any]]:
        return list(self._client.lists())

    def _read(self, found: Mapping[str, Any]) -> Audience:
        fields = map(self._field, self._client.merge_fields(str(found["id"])))
        return Audience(
            id=str(found["id"]),
            name=str(found.get("name") or found["id"]),
            double_optin=bool(found.get("double_optin")),
            fields={entry.tag: entry for entry in fields},
        )

    def _field(self, entry: Mapping[str, Any]) -> MergeField:
        return MergeField.from_api(entry, placeholder=self._placeholder)

    def _prepared(self, audience: Audience, schemas: Iterable[Mapping[str, Any]]) -> Audience:
        for schema in schemas:
            if self._create:
                audience = self._with_missing_fields(audience, schema)
            if "interests" in schema.get("properties", {}) and not audience.interests:
                audience = replace(audience, interests=self._interests(audience.id))
        return audience

    def _with_missing_fields(self, audience: Audience, schema: Mapping[str, Any]) -> Audience:
        fields = dict(audience.fields)
        for new in missing_fields(schema, fields):
            if self._dry_run:
                fields[new.tag] = self._field(new.as_body())
                continue
            try:
                made = self._field(self._client.create_merge_field(audience.id, new.as_body()))
            except _OPTIONAL as error:
                # The values of this field are left out and audited; all others still travel.
                logger.warning("Merge field %s cannot be made: %s", new.tag, error)
                continue
            logger.info("Made merge field %s (%s) in audience %s.", made.tag, made.type, audience.name)
            fields[made.tag] = made
        return replace(audience, fields=fields)

    def _interests(self, list_id: str) -> dict[str, str]:
        ids: dict[str, str] = {}
        ambiguous: set[str] = set()
        for title, interest in self._listed_interests(list_id):
            interest_id, name = str(interest["id"]), name_key(str(interest.get("name")))
            if name in ids:
                ambiguous.add(name)
            ids[interest_id] = ids[name] = interest_id
            ids[f"{name_key(title)}/{name}"] = interest_id
        return {name: interest_id for name, interest_id in ids.items() if name not in ambiguous}

    def _listed_interests(self, list_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The interests of an audience, each with the title of its group."""
        try:
            for category in self._client.interest_categories(list_id):
                for interest in self._client.interests(list_id, str(category["id"])):
                    yield str(category.get("title")), interest
        except _OPTIONAL as error:
            # As for a merge field that cannot be made: an opt-out does not wait for an interest.
            logger.warning("Interests of audience %s are left out: %s", list_id, error)


def require_audience(directory: AudienceDirectory, named: str) -> Audience:
    """The audience that a record names.

    Args:
        directory: Finds it.
        named: Its id or name, as the record has it.

    Raises:
        DataError: There is none; it is the record that is wrong, not a setting.
    """
    try:
        return directory.get(named)
    except ConfigurationError as error:
        raise DataError(error.message, advice=error.advice, field="list_id") from error
