"""Singer target that keeps a Mailchimp audience in step with its source."""
