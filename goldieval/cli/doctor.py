"""``goldieval doctor``: is the install, the data and the model to be trusted?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text


def doctor(
    model: Annotated[str | None, typer.Option(help="Also probe this model.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Reproduce published numbers of public checkpoints.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data; else $GOLDIEVAL_DATA, else the cache.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Never fetch model weights.")] = False,
) -> None:
    """Check versions, devices, folders and name clashes; with --model its encoders; with --verify published numbers.

    goldieval doctor --model open_clip:ViT-B-16@epoch_32.pt
    """
    from goldieval.doctor import install, probes, published

    console = Console()
    checks = install.checks(data_dir)
    if model:
        checks += probes.checks(model, device, offline)
    if verify:
        checks += published.checks(data_dir, device, offline)
    for check in checks:
        mark, style = {True: ("ok  ", "green"), False: ("FAIL", "red"), None: ("note", "yellow")}[check.passed]
        console.print(Text.assemble((mark, style), f"  {check.name}: {check.found}"))
    if any(check.passed is False for check in checks):
        raise typer.Exit(1)
