"""The modules a model is built from, one idea per file."""
