"""What both simulators need: serving, faults and the form of a control API."""
