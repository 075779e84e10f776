"""A stateful simulator of Mailchimp's Marketing API, its webhooks and its OAuth2 endpoints."""
