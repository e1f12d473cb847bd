"""Is the install, a model, or the whole chain to be trusted? Each room returns a list of checks and prints nothing."""

from goldieval.doctor.check import Check

__all__ = ["Check"]
