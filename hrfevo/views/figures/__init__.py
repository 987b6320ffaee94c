"""What a search found: data frames, Plotly figures, one self-contained page."""

from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.views.figures.course.agreement import agreement
from hrfevo.views.figures.course.failures import failures
from hrfevo.views.figures.course.fitness import fitness_over_generations
from hrfevo.views.figures.course.learning_curves import learning_curves
from hrfevo.views.figures.course.progress import progress
from hrfevo.views.figures.course.timeline import timeline
from hrfevo.views.figures.gallery import gallery
from hrfevo.views.figures.genes.distributions import gene_distributions
from hrfevo.views.figures.genes.parallel import parallel_coordinates
from hrfevo.views.figures.genes.values import gene_values
from hrfevo.views.figures.winners.front import front
from hrfevo.views.figures.winners.genealogy import genealogy
from hrfevo.views.report.page import render

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
