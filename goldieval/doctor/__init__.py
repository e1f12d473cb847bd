"""Checks of the installation, of a model and of published numbers. Each module returns checks and prints nothing."""

from goldieval.doctor.check import Check

__all__ = ["Check"]
