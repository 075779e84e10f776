"""Commands that deal with what could not be written: correct, replay, undo, close."""
