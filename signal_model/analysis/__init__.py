"""What is inside a model: where parameters, operations and time go; spectra of its parts and of its activations.

Every module computes pandas frames from a `SignalLLM`; `figures` draws frames; `report` puts all of it on one page.
"""
