"""Metrics as modules of `evaluate`, without the hub. Needs the extra `eval` or `train`.

Use them directly (`Accuracy().compute(...)`), in `evaluate.combine`, or by path in `evaluate.load`.
"""
