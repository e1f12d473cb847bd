"""What processes exchange; the worker imports torch and little else, so that two processes start quickly."""

from __future__ import annotations

from pathlib import Path

import torch

from goldieval.goldiclip.gather import any_process


def test_all_processes_agree_whether_anything_is_asked(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_worker, (2, str(tmp_path)), nprocs=2)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert found[0] == found[1] == [False, True, True, True]
    assert any_process(True, torch.device("cpu")) and not any_process(False, torch.device("cpu"))


def _worker(rank: int, world: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    cases = ((False, False), (True, False), (False, True), (True, True))
    torch.save([any_process(case[rank], torch.device("cpu")) for case in cases], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
