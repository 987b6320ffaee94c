"""Which values of genes are good: distributions, values, importance."""
