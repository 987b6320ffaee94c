"""Taking results away: weights, tables, Optuna studies, and where they go."""
