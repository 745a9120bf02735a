"""From make to year, with what the names of models add up to."""

from __future__ import annotations

import numpy as np
import pytest

from vehicle_demo.recognition import Scored
from vehicle_demo.recognition.checkpoint import Labels, Thresholds
from vehicle_demo.recognition.hierarchy import Hierarchy, sure_of

MODELS = ("Audi S4 Sedan 2007", "Audi S4 Sedan 2012", "Audi TT Coupe 2012", "BMW X5 SUV 2007", "model 4")
LABELS = Labels(types=("coupe", "sedan", "suv"), makes=("Audi", "BMW"), models=MODELS)


def test_levels_add_up_and_never_rise() -> None:
    levels = Hierarchy(LABELS).descend(np.array([0.2, 0.25, 0.15, 0.3, 0.1]))
    assert [level.label for level in levels] == ["Audi", "sedan", "S4", "2012"]
    assert [level.score for level in levels] == pytest.approx([0.6, 0.45, 0.45, 0.25])
    # The likeliest name is a BMW, but an Audi is likelier.
    alone = Hierarchy(LABELS).descend(np.array([0.1, 0.1, 0.1, 0.7, 0.0]))
    assert [level.label for level in alone] == ["BMW", "suv", "X5", "2007"]
    assert [level.score for level in alone] == pytest.approx([0.7] * 4)


def test_names_that_tell_nothing_have_no_levels() -> None:
    assert Hierarchy(Labels(models=("model 0", "model 1"))).descend(np.array([0.5, 0.5])) == ()


def test_it_stops_at_the_first_level_that_is_not_sure() -> None:
    levels = tuple(Scored(label, score) for label, score in zip("abcd", (0.9, 0.6, 0.55, 0.3), strict=True))
    assert sure_of(levels, Thresholds()) == 3
    assert sure_of(levels, Thresholds(type=0.7)) == 1 and sure_of(levels, Thresholds(make=0.95)) == 0
    assert sure_of(levels, Thresholds(model=0.2)) == 4 and sure_of((), Thresholds()) == 0
