"""The paper's comparisons on a model and data at hand: each choice at equal multiply-adds."""

from hf_tome.study.run import Study, study
from hf_tome.study.tables import NAMES, READ_ATTENTION, Choice, Table, tables

__all__ = [
    "NAMES",
    "READ_ATTENTION",
    "Choice",
    "Study",
    "Table",
    "study",
    "tables",
]
