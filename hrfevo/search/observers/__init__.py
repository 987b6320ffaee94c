"""A running search told to TensorBoard or MLflow as well."""

from hrfevo.search.observers.targets import Target, parse_targets

__all__ = ["Target", "parse_targets"]
