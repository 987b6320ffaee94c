"""A search from its first proposal to its confirmed winners."""
