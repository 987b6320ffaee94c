"""The live page of searches: figures and tables that follow the store while a search runs."""
