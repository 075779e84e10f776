"""Stateful HTTP simulators of Epicor Kinetic and Mailchimp, for this project's tests and demo."""
