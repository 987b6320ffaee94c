"""Causal spectral language models."""
