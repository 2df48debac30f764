"""Measurements that need data or models from elsewhere; each says what. Their results are kept in docs/results/data."""
