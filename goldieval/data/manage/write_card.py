"""Writing of a proposed card."""

from __future__ import annotations

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.data.manage.propose import Proposal


def write_card(proposal: Proposal) -> None:
    """Write the card's file, whose folder is created. Raises GoldievalError if that is not possible."""
    file = proposal.file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, proposal.text.encode())
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Choose another --out.") from error
