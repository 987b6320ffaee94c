"""Whether what a model writes holds together."""
