"""The addresses of the pages, and what answers there."""
