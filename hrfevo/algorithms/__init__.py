"""Who is tried next. One protocol; every algorithm runs through the same loop."""
