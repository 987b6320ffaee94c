"""The commands of `hrfevo`, by what they are for."""
