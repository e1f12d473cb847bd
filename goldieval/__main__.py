"""Entry point of ``python -m goldieval``."""

from goldieval.cli import main

main()
