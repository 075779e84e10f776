"""Tells people when the pipelines need them: once per cause, and once when it is over."""
