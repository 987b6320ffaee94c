"""A running search told to TensorBoard or MLflow as well."""

from hrfevo.logs.targets import Target, parse_targets

__all__ = ["Target", "parse_targets"]
