"""Alerts: one message when the pipelines need a person, and one when that is over."""
