"""The web server that takes Mailchimp's deliveries: it stores, then answers, and does nothing else."""
