"""Says in words what of a connection works: host, key, login, scope, companies, services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.errors import CHECK_BASE_URL, CompanyAccessError, host_of
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    PermissionDeniedError,
    TransientError,
)

from tap_epicor_kinetic.catalog.declarations import STREAMS, StreamDeclaration
from tap_epicor_kinetic.catalog.discovery import Discovery
from tap_epicor_kinetic.settings import ReadSettings


@dataclass
class ConnectionCheck:
    """Tries what a run needs.

    Attributes:
        client: Of the instance, with few attempts, because a person is waiting.
        is_selected: Whether a run reads each of the streams: then none may be refused.
    """

    client: EpicorClient
    declarations: Sequence[StreamDeclaration]
    settings: ReadSettings
    is_selected: bool = False
    _failures: list[ConnectorError] = field(default_factory=list)
    _readable: int = 0
    _refused: list[ConnectorError] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """A readable line for each thing that was tried.

        A key needs no more rights than what is read: a stream of the tap's own without permission is told and
        fails nothing, as long as something of its company can be read.

        Raises:
            ConnectorError: The first thing that is wrong, in words, with what to do.
        """
        known = self.client.settings
        yield f"Calling {host_of(known.base_url)} with auth_method {known.auth_method}."
        for company in known.companies:
            readable, refused = self._readable, len(self._refused)
            for declaration in self.declarations:
                line = self._try(company, declaration)
                yield line
                if line.endswith("no access."):
                    break
            if self._readable == readable:
                self._failures.extend(self._refused[refused:])
        if not self._readable and self._nothing_is_there():
            raise ConfigurationError(
                f"{host_of(known.base_url)} answers, but Kinetic is not at this address.",
                advice=CHECK_BASE_URL,
                status=HTTPStatus.NOT_FOUND,
            )
        if self._failures:
            raise self._failures[0]
        if refusal := self._refusal_of_metadata():
            yield f"Rows can be read; $metadata cannot, so that columns of your own are missing: {refusal}"
            return
        yield (
            "All that this key may read can be read: leave the other streams out of the catalog."
            if self._refused
            else "Everything that is configured can be read."
        )

    def _try(self, company: str, declaration: StreamDeclaration) -> str:
        what = f"Company {company}: {declaration.name} ({declaration.path})"
        try:
            count = self._count(company, declaration)
        except CredentialsError:
            raise
        except CompanyAccessError as error:
            error.message = f"Company {company}: {error.message}"
            self._failures.append(error)
            return f"Company {company}: no access."
        except ConnectorError as error:
            if isinstance(error, TransientError) and not self._readable:
                raise
            error.message = (
                f"Company {company}, {declaration.service} (stream {declaration.name}): {error.message}"
            )
            is_refused = isinstance(error, PermissionDeniedError)
            may_be_refused = is_refused and declaration in STREAMS and not self.is_selected
            (self._refused if may_be_refused else self._failures).append(error)
            return f"{what}: {'no permission' if is_refused else 'not readable'}."
        self._readable += 1
        return f"{what}: {count} rows."

    def _count(self, company: str, declaration: StreamDeclaration) -> str:
        """Count the rows, in words; a BAQ has no count of its own."""
        if declaration.is_baq:
            rows = self.client.read(company, declaration.path, top=1, parameters=declaration.parameters)
            return "some" if rows else "no"
        condition = declaration.filter
        if declaration.derives_active:
            condition = self.settings.customers_to_read(Discovery(self.client).entity(declaration))
        return str(self.client.count(company, declaration.path, filter=condition))

    def _refusal_of_metadata(self) -> ConnectorError | None:
        """The reason why this key may read rows and not what columns they have, asked of one service."""
        first = next((one for one in self.declarations if not one.is_baq), None)
        if first is None or not self.client.settings.companies:
            return None
        try:
            self.client.metadata(self.client.settings.companies[0], first.service)
        except PermissionDeniedError as error:
            return error
        except ConnectorError:
            return None
        return None

    def _nothing_is_there(self) -> bool:
        return bool(self._failures) and all(error.status == HTTPStatus.NOT_FOUND for error in self._failures)
