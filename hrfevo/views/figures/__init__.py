"""What a search found, as Plotly figures."""

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
from hrfevo.views.figures.winners.scaling import scaling

__all__ = [
    "agreement",
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
    "scaling",
    "timeline",
]
