"""Settings that are declared once, for plugins and for command lines."""
