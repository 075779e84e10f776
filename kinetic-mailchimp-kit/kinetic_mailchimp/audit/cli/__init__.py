"""The commands of `sync-audit` that read and keep the trail."""
