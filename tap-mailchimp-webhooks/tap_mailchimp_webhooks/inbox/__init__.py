"""The inbox: events wait in it between receiver and tap, durable, ordered, encrypted when a key is set."""
