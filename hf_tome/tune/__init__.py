"""Which r: the schedule that fits a wish best, by what it does to a model's outputs."""

from hf_tome.tune.search import usual_schedules
from hf_tome.tune.space import Space
from hf_tome.tune.trials import Trial, Trials
from hf_tome.tune.tuned import Tuned, tune
from hf_tome.tune.wish import Wish

__all__ = ["Space", "Trial", "Trials", "Tuned", "Wish", "tune", "usual_schedules"]
