"""What merging costs and buys: multiply-adds, time, memory, accuracy."""

from hf_tome.core.drift import agreement, kl
from hf_tome.core.macs import encoder_macs, mac_ratio
from hf_tome.measure.macs import counted_macs
from hf_tome.measure.measure import Measured, measure
from hf_tome.measure.memory import peak_memory
from hf_tome.measure.outcome import Outcome, Report
from hf_tome.measure.overhead import merging_share
from hf_tome.measure.sweep import sweep
from hf_tome.measure.timing import Timing

__all__ = [
    "Measured",
    "Outcome",
    "Report",
    "Timing",
    "agreement",
    "counted_macs",
    "encoder_macs",
    "kl",
    "mac_ratio",
    "measure",
    "merging_share",
    "peak_memory",
    "sweep",
]
