"""The paper's comparisons on a model and data at hand: each choice at equal multiply-adds."""
