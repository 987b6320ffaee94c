"""Taking results away: recipes, weights, tables, Optuna studies."""

from hrfevo.results.genome.recipe import recipe_of, recipe_yaml

__all__ = ["recipe_of", "recipe_yaml"]
