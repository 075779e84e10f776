"""The questions of `connector-setup`: the variables without which nothing runs, in groups."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from cryptography.fernet import Fernet

_PATH_SECRET_BYTES: Final = 32
Answers = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """A variable to ask for.

    Attributes:
        default: The answer in place of an empty one; `$NAME` for the answer to another question.
        secret: Whether it is encrypted, and not shown while it is typed.
        only_with: A variable and those of its values with which it is asked.
        only_without: A variable that stands in its place where it is set.
        may_be_empty: Whether no answer is an answer.
    """

    variable: str
    text: str
    default: str = ""
    secret: bool = False
    only_with: tuple[str, frozenset[str]] | None = None
    only_without: str = ""
    may_be_empty: bool = False

    def is_asked(self, answers: Answers) -> bool:
        """Tell whether the earlier answers make it necessary."""
        if answers.get(self.only_without):
            return False
        return self.only_with is None or answers.get(self.only_with[0]) in self.only_with[1]

    def default_of(self, answers: Answers) -> str:
        """The answer in place of an empty one."""
        known = answers.get(self.variable, "")
        return known or (answers.get(self.default[1:], "") if self.default.startswith("$") else self.default)


_WITH_LOGIN: Final = ("EPICOR_AUTH_METHOD", frozenset({"basic", "token_resource"}))
_WITH_CLIENT: Final = ("EPICOR_AUTH_METHOD", frozenset({"oauth2"}))

GROUPS: Final[Mapping[str, tuple[Question, ...]]] = {
    "Epicor Kinetic": (
        Question("EPICOR_BASE_URL", "Address of the instance, as in https://erp.example.com/Kinetic"),
        Question("EPICOR_COMPANIES", "Companies, with commas between"),
        Question("EPICOR_AUTH_METHOD", "Way to log in: basic, token_resource, oauth2 or api_key", "basic"),
        Question("EPICOR_API_KEY", "API key, from API Key Maintenance", secret=True),
        Question("EPICOR_USERNAME", "User", only_with=_WITH_LOGIN),
        Question("EPICOR_PASSWORD", "Password of the user", secret=True, only_with=_WITH_LOGIN),
        Question("EPICOR_CLIENT_ID", "Client id of the application", only_with=_WITH_CLIENT),
        Question("EPICOR_CLIENT_SECRET", "Secret of the application", secret=True, only_with=_WITH_CLIENT),
        Question(
            "EPICOR_CA_BUNDLE", "File with the CA certificates of a private certificate", may_be_empty=True
        ),
    ),
    "Mailchimp": (
        Question(
            "MAILCHIMP_API_KEY",
            "API key, which ends in its data centre (-us6)",
            secret=True,
            only_without="MAILCHIMP_ACCESS_TOKEN",
        ),
        Question(
            "MAILCHIMP_LIST_ID",
            "Id of the audience to fill; without it, those that there are are shown",
            may_be_empty=True,
        ),
        Question(
            "MAILCHIMP_LIST_IDS",
            "Audiences whose opt-outs go back, with commas between",
            "$MAILCHIMP_LIST_ID",
            may_be_empty=True,
        ),
    ),
}
"""The questions by the system that their answers are tried at."""
QUESTIONS: Final = tuple(chain.from_iterable(GROUPS.values()))


def generated(answers: Answers) -> dict[str, str]:
    """The secrets that nobody needs to know, where there are none yet."""
    made = {
        "MAILCHIMP_WEBHOOKS_SECRET": secrets.token_urlsafe(_PATH_SECRET_BYTES),
        "AUDIT_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    return {name: value for name, value in made.items() if not answers.get(name)}


SECRETS: Final = frozenset(
    {question.variable for question in QUESTIONS if question.secret}
    | {"MAILCHIMP_WEBHOOKS_SECRET", "MAILCHIMP_ACCESS_TOKEN", "AUDIT_ENCRYPTION_KEY", "AUDIT_PAGES_TOKEN"}
)
"""The variables that are written encrypted."""
