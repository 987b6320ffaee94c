"""What a confirmation's difference does not say by itself: size, looks before, how to decide, limits of the tuning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hrfevo.results.comparison.paired import Difference, difference
from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.range_ends import RangeEnd
from hrfevo.views.terminal.card import _confirmed
from hrfevo.views.terminal.tables import number
from hrfevo.views.verdicts import headline, over_founder, rivals, size_beside, verdicts


def side(origin: str, losses: list[float], parameters: int = 1000, **changes: object) -> Confirmed:
    seeds, told = tuple(range(len(losses))), tuple(losses)
    return replace(
        Confirmed("aa" if origin == "search" else "bb", origin, {}, parameters, 60, seeds, told, told),  # type: ignore[arg-type]
        **changes,
    )


def said(winner: Confirmed, rival: Confirmed, **known: object) -> str:
    return " ".join(rivals(Confirmation((winner, rival), **known)))  # type: ignore[arg-type]


BETTER, WORSE = side("search", [2.0, 2.01, 2.02]), side("baseline", [2.3, 2.32, 2.31])


def test_a_larger_winner_says_so_where_it_is_said_to_be_better() -> None:
    larger = replace(BETTER, parameters=1490)
    assert "more parameters" not in said(replace(BETTER, parameters=1100), WORSE)
    assert ", 3 seeds), with 49 % more parameters." in headline(Confirmation((larger, WORSE)))
    told = said(larger, WORSE, tuned_in={"transformer": "confirmation/2/baseline"})
    command = "`hrfevo compare RUN:aa RUN/confirmation/2/baseline:bb --equal parameters`"
    assert f"It has 49 % more parameters, which alone may be why: {command}" in told
    smaller = said(replace(BETTER, parameters=500), WORSE, tuned_in={"transformer": "confirmation/2/baseline"})
    assert "It has 50 % fewer parameters. " in smaller + " ", "being smaller is no reason to be better"
    assert [size_beside(replace(BETTER, parameters=n), WORSE) for n in (909, 910, 1100, 1101)] == [
        "9 % fewer parameters", "", "", "10 % more parameters",
    ]  # fmt: skip


def test_a_difference_that_was_not_seen_says_how_many_seeds_would_show_it() -> None:
    close = side("baseline", [2.01, 2.0, 2.05])
    found = BETTER.less(close)
    assert found is not None
    count = found.seeds_to_see()
    assert f"about {count} new seeds, read alone, would show such a difference" in said(BETTER, close)
    assert f"`hrfevo confirm RUN --seeds {count}`" in said(BETTER, close)
    assert "To decide it" not in said(BETTER, WORSE)
    assert "`hrfevo confirm RUN --seeds 5` adds five" in said(side("search", [2.0]), side("baseline", [2.1]))
    assert "Equal differences do not say how much" in said(side("search", [0.07, 0.11]), side("baseline", [0.08, 0.12]))
    assert "would take more than 200 seeds" in said(BETTER, side("baseline", [2.0, 2.0, 2.0299]))


@pytest.mark.parametrize("effect", [0.4, 1.0, 2.0])
def test_so_many_seeds_show_it_in_four_of_five_tries(effect: float) -> None:
    """By Student's t of SciPy on differences that were drawn."""
    count = Difference(effect, -1.0, 1.0, 1 / np.sqrt(5), 5).seeds_to_see()  # they scatter by 1
    assert count is not None
    generator = np.random.default_rng(0)
    shown = [
        np.mean(stats.ttest_1samp(generator.normal(effect, 1, (20_000, n)), 0, axis=1).pvalue < 0.05)
        for n in (count - 1, count)
    ]
    assert shown[0] < 0.81
    assert shown[1] > 0.79


def test_seeds_that_were_added_after_a_look_are_said_and_say_alone_what_they_say() -> None:
    first, added = [2.0, 2.02, 2.05], [2.01, 2.0, 2.03, 2.04]
    winner = side("search", [*first, *added], seen=(3,))
    rival = side("baseline", [2.1, 2.0, 2.12, 2.2, 2.21, 2.2, 2.23], seen=(3,))
    told = said(winner, rival)
    assert "Seeds were added after a look at 3 of these" in told
    alone = winner.less_unseen(rival)
    assert alone is not None
    interval = stats.ttest_rel(added, rival.validation[3:]).confidence_interval(0.95)
    assert (alone.low, alone.high, alone.pairs) == pytest.approx((interval.low, interval.high, 4))
    assert f"say alone: on validation {alone.words()}" in told
    assert ", some added after a look at 3" in headline(Confirmation((winner, rival)))
    assert "after a look at 3 and 5 of" in said(replace(winner, seen=(3, 5)), replace(rival, seen=(3, 5)))
    # A rival that only the last confirmation has: nobody could look before.
    late = replace(rival, seeds=rival.seeds[3:], validation=rival.validation[3:], test=rival.test[3:], seen=())
    assert "look" not in said(winner, late) + headline(Confirmation((winner, late)))


def test_adding_seeds_until_something_shows_errs_more_often_and_the_added_alone_do_not() -> None:
    """Equals: three seeds, then four more where they showed nothing."""
    draws = np.random.default_rng(0).normal(0, 1, (20_000, 7))

    def wrong(of: np.ndarray) -> np.ndarray:
        found: np.ndarray = stats.ttest_1samp(of, 0, axis=1).pvalue < 0.05
        return found

    first, all_seven, alone = wrong(draws[:, :3]), wrong(draws), wrong(draws[:, 3:])
    assert np.mean(first | all_seven) > 0.075
    assert np.mean(alone[~first]) == pytest.approx(0.05, abs=0.005)
    one = difference(dict(enumerate(draws[0])), dict.fromkeys(range(7), 0.0))
    assert one is not None
    assert one.seen == all_seven[0]


def test_a_rival_that_was_tuned_to_a_limit_may_be_treated_unfairly() -> None:
    end = RangeEnd("training.learning_rate", "upper", 0.02, 5, 5)
    told = said(BETTER, WORSE, range_ends={"transformer": [end]})
    assert "Tuning the transformer ended at a limit: training.learning_rate is at its upper end (0.02) in 5 of" in told
    assert "limit" not in said(BETTER, WORSE)


def test_trainings_that_failed_are_told_of_whoever_is_compared() -> None:
    told = list(verdicts(Confirmation((replace(BETTER, failed=2), replace(WORSE, place=1)))))
    assert "Of 5 fresh trainings of aa 2 failed: what is said of it is of the others alone." in told
    assert "No fresh training of the one choice before bb has finished, so that it stands for the first." in told
    assert not [said for said in verdicts(Confirmation((BETTER, WORSE))) if "fresh training of" in said]


def test_standard_errors_over_the_founder_are_neither_rounded_to_what_is_asked_nor_negative() -> None:
    founder = side("founder", [2.0, 2.0, 2.0])
    founder = replace(founder, genome="cc", is_founder=True)
    for shift, told in (
        (-2.96, "It is 2.9 standard errors of the paired difference better on validation, less than the 3 that"),
        (-3.0001, "It is 3.0 standard errors of the paired difference better on validation, at least the 3 that"),
        (4.56, "It is 4.5 standard errors of the paired difference worse on validation, less than the 3 better that"),
    ):
        # Their standard error is 1/√3 of their standard deviation.
        winner = side("search", [2 + shift / 3**0.5 + noise for noise in (-1.0, 0.0, 1.0)])
        assert told in over_founder(winner, founder)


def test_one_seed_has_no_spread_on_a_card() -> None:
    facts = [" ± " in _confirmed(side("search", losses), {}) for losses in ([2.0], [2.0, 2.1])]
    assert facts == [False, True]


def test_numbers_of_five_digits_are_never_written_as_powers() -> None:
    assert [number(value) for value in (99_999.4, 99_999.5, -99_999.7, 123_456.7, 0.123456)] == [
        "99999", "100,000", "-100,000", "123,457", "0.12346",
    ]  # fmt: skip
