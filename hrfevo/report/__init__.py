"""What a search found: data frames, Plotly figures, one self-contained page."""

from hrfevo.report.failure_figure import failures
from hrfevo.report.figures import fitness_over_generations, front, learning_curves
from hrfevo.report.frames import curve_frame, evaluation_frame
from hrfevo.report.gene_figure import gene_values
from hrfevo.report.page import render

__all__ = [
    "curve_frame",
    "evaluation_frame",
    "failures",
    "fitness_over_generations",
    "front",
    "gene_values",
    "learning_curves",
    "render",
]
