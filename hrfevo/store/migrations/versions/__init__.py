"""One file per revision of the schema, each with the tables as they were then."""
