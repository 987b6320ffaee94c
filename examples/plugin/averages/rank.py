"""An objective: how many directions the vectors of the tokens use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hrfevo import Measure, objective

if TYPE_CHECKING:
    from hrfevo.workers.added import Candidate


@objective("embedding_rank", Measure("effective rank of the embedding", format=".2f", trained=True, better="maximize"))
def embedding_rank(candidate: Candidate) -> float:
    """exp of the entropy of the singular values' shares (Roy & Vetterli 2007)."""
    import torch

    tokens = torch.arange(candidate.recipe.model.vocab_size, device=candidate.device)
    with torch.no_grad():
        values = torch.linalg.svdvals(candidate.model.embedding(tokens).float())
    shares = values / values.sum()
    return float(torch.exp(torch.special.entr(shares).sum()))
