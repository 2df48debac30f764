"""What merging costs and buys: multiply-adds, time, accuracy."""

from hf_tome.report.compare import Row, compare
from hf_tome.report.macs import encoder_macs, mac_ratio

__all__ = ["Row", "compare", "encoder_macs", "mac_ratio"]
