"""The process that renders a chat template of unknown origin, within limits of memory and time.

transformers' sandbox keeps a template from running code, but not from looping for hours or from filling memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError

MEMORY = 10**9  # bytes, beyond what the process has when it begins to render
SECONDS = 10  # of computing; a template takes a millisecond
WAIT = 300  # seconds until the process must have ended: a machine may be slow to start it
LONGEST = 10**6  # characters of the rendered conversations
STATM = Path("/proc/self/statm")  # of Linux: pages that the process has
START = "import sys; sys.path[:] = sys.argv[1].split('\\n'); from model_adapters.vlm_render import main; main()"


def rendered(
    template: str, variables: Mapping[str, str], conversations: Sequence[Sequence[Mapping[str, Any]]]
) -> list[str]:
    """Return each conversation as the template writes it; empty where the template refuses it.

    Args:
        template: A chat template in Jinja.
        variables: Its variables besides the messages: the tokenizer's special tokens.
        conversations: Lists of messages.

    Raises:
        GoldievalError: The template takes too long or too much memory, writes too much, or is none.
    """
    request = json.dumps(
        {"template": template, "variables": dict(variables), "conversations": conversations, "seconds": SECONDS}
    )
    answer = _answer(request)
    if "error" in answer:
        raise GoldievalError(f"its chat template fails: {answer['error']}; {_INSTEAD}")
    return [str(text) for text in answer["texts"]]


@lru_cache(maxsize=8)  # models of one run often have the same template
def _answer(request: str) -> dict[str, Any]:
    """Return the answer of the process to a request. Raises GoldievalError if it has none."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", START, "\n".join(sys.path)],
            input=request.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WAIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GoldievalError(f"its chat template does not end within {WAIT} seconds; {_INSTEAD}") from None
    try:
        answer: dict[str, Any] = json.loads(child.stdout)
        return answer
    except ValueError:
        raise GoldievalError(
            f"its chat template takes more than {SECONDS} seconds or {MEMORY / 1e9:.0f} GB; {_INSTEAD}"
        ) from None


_INSTEAD = "write ::template=vicuna or ::template=none."


def main() -> None:
    """Answer one request of standard input on standard output."""
    from transformers.utils.chat_template_utils import render_jinja_template

    request = json.loads(sys.stdin.buffer.read())
    _limit(request["seconds"])
    texts, errors = [], []
    for conversation in request["conversations"]:
        try:
            made, _ = render_jinja_template(
                [conversation],
                chat_template=request["template"],
                add_generation_prompt=True,
                **request["variables"],
            )
            texts.append(made[0])
        except Exception as error:  # whatever a template may raise
            texts.append("")
            errors.append(f"{type(error).__name__}: {' '.join(str(error).split())}"[:200])
    failed = len(errors) == len(texts)
    if not failed and sum(map(len, texts)) > LONGEST:
        failed, errors = True, [f"it writes more than {LONGEST:,} characters"]
    answer = {"error": errors[0]} if failed else {"texts": texts}
    sys.stdout.write(json.dumps(answer))


def _limit(seconds: int) -> None:
    """Limit memory and time of computing of this process from now on, where the system knows such limits."""
    try:
        import resource
    except ImportError:  # Windows; there remains the time that the caller waits
        return
    if STATM.is_file():
        here = int(STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (here + MEMORY, here + MEMORY))
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    last = int(used) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (last, last))
