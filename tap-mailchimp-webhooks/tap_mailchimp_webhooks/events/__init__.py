"""Events of Mailchimp: how a delivery is read, and the form in which the inbox takes it."""
