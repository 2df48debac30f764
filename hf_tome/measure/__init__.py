"""What merging costs and buys: multiply-adds, time, memory, accuracy."""

from hf_tome.core.drift import agreement, kl
from hf_tome.core.macs import encoder_macs, mac_ratio
from hf_tome.measure.costs import counted_macs, peak_memory
from hf_tome.measure.overhead import merging_share
from hf_tome.measure.row import Report, Row
from hf_tome.measure.speed import measure
from hf_tome.measure.sweep import sweep

__all__ = [
    "Report",
    "Row",
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
