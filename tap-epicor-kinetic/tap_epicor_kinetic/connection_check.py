"""Says in words what of a connection works: host, key, login, scope, companies, services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector_kit.errors import ConnectorError, CredentialsError, PermissionDeniedError
from epicor_kinetic_client import EpicorClient
from epicor_kinetic_client.errors import CompanyAccessError, host_of

from tap_epicor_kinetic.declarations import StreamDeclaration
from tap_epicor_kinetic.discovery import Discovery
from tap_epicor_kinetic.settings import ReadSettings


def check_connection(
    client: EpicorClient, declarations: Sequence[StreamDeclaration], settings: ReadSettings
) -> Iterator[str]:
    """Try what a run needs.

    Yields:
        A readable line for each thing that was tried.

    Raises:
        ConnectorError: Nothing can be read, or the configured streams cannot; in words, what to do.
    """
    known = client.settings
    yield f"Calling {host_of(known.base_url)} with auth_method {known.auth_method}."
    failures: list[ConnectorError] = []
    for company in known.companies:
        try:
            yield from _check_company(client, company, declarations, settings, failures)
        except CompanyAccessError as error:  # noqa: PERF203 (one company after the other)
            error.message = f"Company {company}: {error.message}"
            failures.append(error)
            yield f"Company {company}: no access."
    if failures:
        raise failures[0]
    yield "Everything that is configured can be read."


def _check_company(
    client: EpicorClient,
    company: str,
    declarations: Sequence[StreamDeclaration],
    settings: ReadSettings,
    failures: list[ConnectorError],
) -> Iterator[str]:
    for declaration in declarations:
        try:
            count = _count(client, company, declaration, settings)
        except (CredentialsError, CompanyAccessError):  # noqa: PERF203 (each call may fail)
            raise
        except ConnectorError as error:
            _say_where(error, declaration, company)
            failures.append(error)
            what = "no permission" if isinstance(error, PermissionDeniedError) else "cannot be read"
            yield f"Company {company}: {declaration.name} ({declaration.path}) {what}."
        else:
            yield f"Company {company}: {declaration.name} ({declaration.path}) has {count} rows."


def _count(client: EpicorClient, company: str, declaration: StreamDeclaration, settings: ReadSettings) -> str:
    """How many rows there are, in words; a BAQ has no count of its own."""
    if declaration.is_baq:
        rows = client.read(company, declaration.path, top=1, parameters=declaration.parameters)
        return "some" if rows else "no"
    condition = declaration.filter
    if declaration.derives_active:
        condition = settings.activity.condition(Discovery(client).entity(declaration))
    return str(client.count(company, declaration.path, filter=condition))


def _say_where(error: ConnectorError, declaration: StreamDeclaration, company: str) -> None:
    error.message = f"Company {company}, {declaration.service} (stream {declaration.name}): {error.message}"
