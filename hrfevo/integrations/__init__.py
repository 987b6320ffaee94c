"""Doors for programs that search by themselves: what they know as theirs, made of the algorithms here."""
