"""What may vary: genes, conditions, genomes, and the file that says so."""
