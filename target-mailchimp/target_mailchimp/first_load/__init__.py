"""Limits of a first load: to some people, or to what a person has approved."""
