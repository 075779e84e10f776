"""The steps from one form of the inbox to the next."""
