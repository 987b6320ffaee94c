"""Text, from files to windows of tokens."""
