"""The command `mailchimp-webhooks`."""
