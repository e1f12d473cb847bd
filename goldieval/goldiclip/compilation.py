"""Compiled transformer blocks: one function for all blocks of a stack, sizes that may vary, few compilations."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch._dynamo import lookup_backend
from torch._inductor import config as compiler_config

from goldieval.core.errors import GoldievalError, first_line
from goldieval.goldiclip.blocks import as_written

MOST_GRAPHS = 8  # compiled forms of a stack; torch itself gives up after as many
BACKEND = "inductor"


class CompiledStep:
    """A block, compiled: once with and once without gradients, and for further kinds of input up to ``MOST_GRAPHS``.

    What would need more is computed as written, and said once.

    Attributes:
        graphs: Number of compiled forms.
    """

    def __init__(self, stack: str, note: Callable[[str], None]) -> None:
        """Compile when first called.

        Args:
            stack: What the blocks belong to, for the note.
            note: Called with a line where the limit is reached.
        """
        self.graphs = 0
        self._stack, self._note, self._backend = stack, note, lookup_backend(BACKEND)
        own = FunctionType(as_written.__code__.replace(), as_written.__globals__)  # torch counts per code object
        self._compiled = torch.compile(own, backend=self._counted, dynamic=True, fullgraph=True)

    def __call__(self, block: nn.Module, hidden: torch.Tensor, causal: bool) -> torch.Tensor:
        """Apply a block, see ``blocks.as_written``."""
        full = self.graphs >= MOST_GRAPHS
        with torch.compiler.set_stance("eager_on_recompile") if full else nullcontext():
            output: torch.Tensor = self._compiled(block, hidden, causal)
        return output

    def _counted(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        self.graphs += 1
        if self.graphs == MOST_GRAPHS:
            self._note(
                f"execution.compile: blocks of the {self._stack} have been compiled {MOST_GRAPHS} times; "
                "what needs another form is computed as written from now on"
            )
        return self._backend(graph, inputs)


def check_compiler(device: torch.device) -> None:
    """Compile and run a function of one operation.

    Args:
        device: Where the training runs.

    Raises:
        GoldievalError: There is no compiler, or torch cannot compile for this device or Python.
    """
    try:
        with warnings.catch_warnings(), compiler_config.patch(force_disable_caches=True):  # else earlier code is taken
            warnings.simplefilter("ignore")
            torch.compile(torch.sin)(torch.zeros(2, device=device))
    except Exception as error:  # of torch's many kinds, and of the compiler's
        raise GoldievalError(
            f"execution.compile: torch.compile does not work here ({_reason(error)}). "
            "Install a C++ compiler such as g++, or leave execution.compile out."
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first line of what torch's compiler wraps."""
    inner = getattr(error, "inner_exception", None) or error.__cause__ or error
    return first_line(inner) or type(inner).__name__
