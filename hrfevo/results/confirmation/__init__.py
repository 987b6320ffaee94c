"""What confirmations of a run are to do and where they lie, and what they have found."""
