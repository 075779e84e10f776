"""Where events wait between the receiver and the tap: durable, ordered, encrypted when a key is set."""
