"""A ladder of sizes as tables: what is to be trained, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from hrfevo.results.scaling.plan import Plan
from hrfevo.results.scaling.scaling import Scaling
from hrfevo.views.terminal.tables import with_reach

# Columns of numbers, and how these are written.
FORMS = {"size": "g", "× winner": ".3f", "learning rate": ".4g", "validation": ".4f", "± seeds": ".4f", "test": ".4f"}


def plan_table(plan: Plan) -> Table:
    """Every side at every size, with the parameters that were met beside the factor that was asked."""
    return _table(
        [
            {
                "size": model.size,
                "side": model.side,
                "× winner": model.parameters / plan.parameters,
                "parameters": model.parameters,
                "width": model.recipe.model.width,
                "layers": model.recipe.model.depth,
                "steps": model.recipe.training.steps,
                "learning rate": model.recipe.training.learning_rate,
            }
            for model in plan.models
        ]
    )


def scaling_rows(found: Scaling) -> list[dict[str, Any]]:
    """A row for each side and size; the difference is to the last side, paired by seed, on validation."""
    return [
        {
            "size": row.size,
            "side": row.side,
            "× winner": row.parameters / found.plan.parameters,
            "parameters": row.parameters,
            "tokens": row.tokens,
            "operations": row.operations,
            "validation": row.trained.mean,
            "± seeds": row.trained.spread if len(row.trained.seeds) > 1 else None,
            "− last ± 95 %": with_reach(found.difference(row.size, row.side)),
            "test": row.trained.test_mean,
            "seeds": len(row.trained.seeds),
            "seconds": row.trained.steps * row.step_seconds,
        }
        for row in found.rows
    ]


def scaling_table(found: Scaling) -> Table:
    """`scaling_rows` for a terminal."""
    last = found.plan.sides[-1]
    rows = scaling_rows(found)
    for row in rows:
        row[f"− {last} ± 95 %"] = row.pop("− last ± 95 %")
        row["operations"] = f"{row['operations']:.2e}"
        row["seconds"] = f"{row['seconds']:,.1f}"
    if len(found.plan.sides) < 2:
        rows = [{name: value for name, value in row.items() if not name.startswith("−")} for row in rows]
    return _table(rows)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in rows[0] if rows else ():
        table.add_column(column, justify="left" if column == "side" else "right")
    for row in rows:
        table.add_row(
            *(
                "–" if value is None else value if isinstance(value, str) else format(value, FORMS.get(column, ","))
                for column, value in row.items()
            )
        )
    return table
