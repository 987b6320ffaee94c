"""What earlier runs of a space, or of one like it, let a new one know."""
