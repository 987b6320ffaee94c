"""What a search found: data frames, Plotly figures, one self-contained page."""

from hrfevo.report.agreement_figure import agreement
from hrfevo.report.curve_figure import learning_curves
from hrfevo.report.distribution_figure import gene_distributions
from hrfevo.report.failure_figure import failures
from hrfevo.report.fitness_figure import fitness_over_generations
from hrfevo.report.frames import curve_frame, evaluation_frame
from hrfevo.report.front_figure import front
from hrfevo.report.gallery import gallery
from hrfevo.report.gene_figure import gene_values
from hrfevo.report.genealogy_figure import genealogy
from hrfevo.report.page import render
from hrfevo.report.parallel_figure import parallel_coordinates
from hrfevo.report.progress_figure import progress
from hrfevo.report.timeline_figure import timeline

__all__ = [
    "agreement",
    "curve_frame",
    "evaluation_frame",
    "failures",
    "fitness_over_generations",
    "front",
    "gallery",
    "gene_distributions",
    "gene_values",
    "genealogy",
    "learning_curves",
    "parallel_coordinates",
    "progress",
    "render",
    "timeline",
]
