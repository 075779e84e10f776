"""Loads with care: dry runs that plan as a load would go on, limits to some people, approved plans."""
