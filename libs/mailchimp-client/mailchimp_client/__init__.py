"""Client of the Mailchimp Marketing API: identity, data centre, lists, members, webhooks, errors."""
