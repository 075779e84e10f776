"""Compares Epicor with Mailchimp instead of writing."""
