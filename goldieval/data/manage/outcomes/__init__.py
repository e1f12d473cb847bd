"""Import of the per-sample outcomes of other programs, as records on which comparisons and tables work."""
