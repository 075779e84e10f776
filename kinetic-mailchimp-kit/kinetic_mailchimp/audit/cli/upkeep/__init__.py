"""Commands that look after the trail itself."""
