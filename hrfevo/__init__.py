"""Evolutionary architecture search for causal spectral language models."""
