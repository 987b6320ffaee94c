"""What the difference between runs, or between genomes, is worth."""
