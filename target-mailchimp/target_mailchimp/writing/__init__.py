"""Writes members to Mailchimp."""
