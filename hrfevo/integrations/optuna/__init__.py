"""The default algorithm as a sampler of Optuna's: `optuna.create_study(sampler=EvolutionSampler())`."""

from hrfevo.integrations.optuna.sampler import EvolutionSampler

__all__ = ["EvolutionSampler"]
