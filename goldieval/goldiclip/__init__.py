"""GoldiCLIP-R, our reconstruction of GoldiCLIP (arXiv 2603.24804): model, objectives, trainer, recipes.

The paper's method section was not readable to us; what it states and what we chose stand apart in docs/goldiclip.md.
"""
