"""What a model is worth: scores, causality, coherence, what it writes."""
