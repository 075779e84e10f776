"""Receiver, inbox and Singer tap for Mailchimp webhooks."""
