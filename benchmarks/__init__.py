"""The measurements behind the numbers of README and docs: `python -m benchmarks.NAME`, from the repository's root."""
