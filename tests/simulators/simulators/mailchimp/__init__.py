"""A simulator of the Mailchimp Marketing API 3.0."""
