"""The settings of the tap, beside those that every Mailchimp plugin has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinetic_mailchimp.kit.settings.declaration import setting
from kinetic_mailchimp.kit.settings.from_text import names_in

from tap_mailchimp_webhooks.inbox.settings import InboxSettings


@dataclass(frozen=True)
class AudienceSettings:
    """The audiences to work on."""

    list_ids: tuple[str, ...] = setting(
        (),
        title="Audiences",
        description="Only these audiences; all of the account without any.",
        parse=names_in,
        variables=["MAILCHIMP_LIST_IDS"],
    )


@dataclass(frozen=True)
class TapSettings(InboxSettings, AudienceSettings):
    """The behaviour of one run."""

    follow: bool = setting(
        default=False,
        description="Stay and emit each event as it arrives, instead of ending when the inbox is read.",
    )
    follow_max_seconds: float | None = setting(
        None,
        description="End after so many seconds of following; without it, only a signal ends it.",
    )
    catch_up: bool = setting(
        default=True,
        description="Ask Mailchimp for opt-outs that no webhook reported, before the inbox is read. "
        "Needs `api_key` or `access_token`; is left out without.",
    )
    catch_up_scope: Literal["opt_outs", "all_changes"] = setting(
        "opt_outs",
        description="`all_changes` also finds new subscriptions, changed profiles and changed addresses. It "
        "cannot tell them from changes that another program wrote, such as target-mailchimp.",
    )
    catch_up_interval: float = setting(900, description="Seconds between two catch-ups while following.")
    confirm_unsigned: bool = setting(
        default=True,
        description="Read the member before a subscription, a profile or a changed address is emitted whose "
        "delivery was not signed. Needs `api_key` or `access_token`; is left out without.",
    )
    backfill: bool = setting(
        default=True,
        description="Let the first catch-up find all opt-outs that Mailchimp knows, however old. "
        "Otherwise it begins one day before.",
    )
    campaign_results_days: int = setting(
        30,
        description="The stream `campaign_results` reads the results of campaigns sent within so many days.",
        minimum=1,
        maximum=365,
    )
    reader: str = setting(
        "default",
        description="The name of this pipeline in the inbox, if several read it: events are deleted only "
        "after all have read them.",
    )
