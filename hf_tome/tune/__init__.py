"""Which r: the schedule that reaches a goal best, by what it does to a model's outputs."""

from hf_tome.tune.choose import Tuned, tune
from hf_tome.tune.goal import Goal
from hf_tome.tune.greedy_search import usual_schedules
from hf_tome.tune.recommended import recommended
from hf_tome.tune.space import Space
from hf_tome.tune.trial import Trial, Trials

__all__ = ["Goal", "Space", "Trial", "Trials", "Tuned", "recommended", "tune", "usual_schedules"]
