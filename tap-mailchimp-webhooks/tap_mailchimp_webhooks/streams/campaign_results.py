"""The stream `campaign_results`: what became of campaigns with each recipient, by polling reports."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from kinetic_mailchimp.kit.errors import ConnectorError, CredentialsError, NotFoundError
from singer_sdk import typing as th
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from tap_mailchimp_webhooks.streams.base import TapStream, texts, timestamps
from tap_mailchimp_webhooks.streams.campaign_reports import changed_campaigns

logger = logging.getLogger(__name__)

_MARKS = "campaigns"
"""The name in the state of how far each campaign was read."""


class CampaignResultsStream(TapStream):
    """Results of campaigns, one per recipient. It is read only where it is selected."""

    name = "campaign_results"
    primary_keys: ClassVar[Sequence[str]] = ("result_id",)
    selected_by_default = False
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("result_id", th.StringType, required=True, description="Names campaign and recipient."),
        *texts(
            campaign_id="Mailchimp's id of the campaign.",
            campaign_title="Its title.",
            subject="Its subject line.",
            list_id="The audience.",
            email="The address.",
        ),
        *timestamps(sent_at="The time that the campaign was sent, in UTC."),
        th.Property("opens", th.IntegerType, description="Number of times that it was opened."),
        *timestamps(last_open_at="The last of them."),
        th.Property("clicks", th.IntegerType, description="Number of clicks."),
        *timestamps(last_click_at="The last of them."),
        th.Property("bounce", th.StringType, allowed_values=["hard", "soft"], description="If it bounced."),
        *timestamps(bounced_at="The time of the bounce."),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        failures: list[ConnectorError] = []
        source, known = self.source, self.stream_state.get(_MARKS) or {}
        client = source.client_for(self.name, is_tried_only=self.is_tried_only)
        if client is None:
            return
        source.end.exit_if_asked()
        settings = source.settings
        campaigns, marks = changed_campaigns(client, settings.list_ids, settings.campaign_results_days, known)
        for campaign in campaigns:
            try:
                for record in campaign.results():
                    source.end.exit_if_asked()
                    if record:
                        yield record
            except NotFoundError:
                logger.warning("Campaign %s was deleted while it was read.", campaign.id)
            except CredentialsError:
                raise
            except ConnectorError as error:
                # The other campaigns do not wait for it; the next run begins with it again.
                logger.warning("The results of campaign %s cannot be read: %s", campaign.id, error)
                failures.append(error)
                continue
            marks = {**marks, campaign.id: campaign.mark}
            self.stream_state[_MARKS] = marks
            self._write_state_message()
        if failures:
            raise failures[0]
