"""Polls Mailchimp for the events whose webhooks never came."""
