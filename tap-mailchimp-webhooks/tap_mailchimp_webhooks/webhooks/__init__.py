"""Registers webhooks at Mailchimp and watches over them."""
