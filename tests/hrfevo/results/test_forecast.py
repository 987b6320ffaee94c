"""Would more budget help: by what the last doublings of the training gained."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrfevo.results.forecast import doublings, forecast
from hrfevo.results.history import History
from hrfevo.space.reading import parse_space
from hrfevo.store.spending import spent
from signal_model.config.sound import ChirpsCorpusConfig
from tests.tools.synthetic import SPACE, search

amounts = st.integers(1, 50)


@given(st.lists(st.tuples(amounts, st.just(math.inf) | st.floats(0, 9)), max_size=40))
def test_doublings_are_by_their_definition(trainings: list[tuple[int, float]]) -> None:
    total = sum(steps for steps, _ in trainings)
    best, at = [math.inf] * (total + 1), 0
    for steps, loss in trainings:
        at += steps
        best[at:] = [min(known, loss) for known in best[at:]]
    found = doublings([sum(s for s, _ in trainings[: n + 1]) for n in range(len(trainings))], [x for _, x in trainings])
    if not trainings or math.isinf(best[total // 4]):
        assert found is None
    else:
        assert found == (best[total // 4] - best[total // 2], best[total // 2] - best[total])


def test_a_forecast_is_of_the_last_rung_by_all_training_and_in_either_direction() -> None:
    space = parse_space(SPACE, "space.yaml")
    evaluations = search(space, 200)[2]
    history = History(space, tuple(evaluations))
    found = forecast(history)
    assert found is not None
    assert (found.steps, found.full) == (spent(space.rungs, evaluations).steps, 60)
    top = [e.metrics["bits_per_byte"] for e in evaluations if e.status == "finished" and e.rung == 1]
    assert 0 <= found.last <= found.most <= max(top) - min(top)
    assert f" to {found.steps / 60:.3g}; " in found.words
    assert found.words.endswith(f" {found.most:.4f} bits per byte at most")
    heard = forecast(History(space.model_copy(update={"corpus": ChirpsCorpusConfig()}), tuple(evaluations)))
    assert heard is not None
    assert heard.words == found.words.replace("byte", "sample")
    # The same turned upside down.
    other = space.model_copy(update={"objectives": {"bits_per_byte": "maximize"}})
    turned = tuple(
        replace(e, metrics=e.metrics | {"bits_per_byte": 9 - e.metrics.get("bits_per_byte", 0.0)}) for e in evaluations
    )
    mirrored = forecast(History(other, turned))
    assert mirrored is not None
    assert (mirrored.before, mirrored.last) == pytest.approx((found.before, found.last))
    assert forecast(history.among(evaluations[:2])) is None, "nothing has come to the last rung"
    assert "none better since" in replace(found, before=0.0, last=0.0).words


def test_what_a_lucky_seed_seemed_to_gain_is_no_gain() -> None:
    """The last to come is best by far, until its second seed says that it is as good as others."""
    space = parse_space(SPACE, "space.yaml").model_copy(update={"rungs": (60,)})
    drawn = search(space, 9)[2]
    known = drawn[0].metrics
    scores = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 3.0]
    ended = [
        replace(e, number=n, status="finished", rung=0, ended_event=n, metrics=known | {"bits_per_byte": score})
        for n, (e, score) in enumerate(zip([*drawn[:7], drawn[6]], scores, strict=True))
    ]
    ended[7] = replace(ended[7], seed=ended[6].seed + 1)
    lucky, told = (forecast(History(space, tuple(ended[:count]))) for count in (7, 8))
    assert lucky is not None
    assert told is not None
    assert (lucky.most, told.most) == (1.0, 0.0)
