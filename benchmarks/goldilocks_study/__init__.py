"""The study ``goldilocks``: its plan, its runs, and what its tables are made of; the programs lie beside this folder.

The order of reading: ``plan.yaml`` with its types and the runs that follow from it, the start, one run, its file, the
scores of all files, the verdicts.
"""
