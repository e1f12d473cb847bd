"""GoldiCLIP-R, our reconstruction of GoldiCLIP (arXiv 2603.24804): model, objectives, trainer, recipes.

The paper's method section was not available to us; docs/goldiclip.md separates what the paper states
from what we chose.
"""
