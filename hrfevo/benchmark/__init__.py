"""Searches compared on a table of trainings that were made before: in virtual time, in seconds."""
