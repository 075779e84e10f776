"""Singer target that writes contact status and contact fields back to Epicor Kinetic."""
