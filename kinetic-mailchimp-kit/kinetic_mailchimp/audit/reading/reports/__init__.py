"""Answers to whole questions, as tables and documents."""
