"""What is kept: results in a database, and a folder for each run."""
