"""Who won, and where they come from."""
