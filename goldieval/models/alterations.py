"""What the options of a spec change in a model, and its identity with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Alterations:
    """Changes by the options of a spec; options that repeat what the model has anyway change nothing.

    Attributes:
        options: The options in canonical form, by name.
        inputs: Changes that neither the weights nor the structure of the module show, such as another mean.
        image: Changes of the image tower.
        text: Changes of the text tower.
        base: Fingerprint of the module without the options.
        loaded: Fingerprint of the module with them.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    base: str = ""
    loaded: str = ""

    def fingerprint(self, module: str) -> str:
        """Return the fingerprint of the model, given that of its module."""
        hidden = [*self.inputs, *((*self.image, *self.text) if self.base == self.loaded else ())]
        return _digest(module, *hidden) if hidden else module

    def towers(self, module: str) -> tuple[str, str]:
        """Return the fingerprints of image and text tower, given that of the module.

        A tower that no option changes keeps the fingerprint that it has without options, and with it its embeddings.
        """
        start = self.base if self.base and module == self.loaded else module  # weights may have changed since
        image, text = (_digest(start, *tower) if tower else start for tower in (self.image, self.text))
        return image, text


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
