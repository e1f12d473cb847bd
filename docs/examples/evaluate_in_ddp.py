"""Evaluation inside a training with DistributedDataParallel: all ranks share the work, then one rank evaluates alone.

    torchrun --nproc-per-node 8 evaluate_in_ddp.py coco-karpathy,cifar10

The model is an untrained one of open_clip; put yours in its place.
"""

import sys

import open_clip
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import goldieval


def main(tasks: str, architecture: str = "ViT-B-32") -> None:
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    device = torch.device("cuda", dist.get_node_local_rank()) if on_gpu else torch.device("cpu")
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(architecture, device=device)
    tokenizer = open_clip.get_tokenizer(architecture)
    trained = DistributedDataParallel(model)

    # ... some epochs of training with `trained` ...

    # Every rank calls evaluate with the same arguments, and all get the same records; rank 0 writes them.
    adapter = goldieval.from_module(trained.module, transform, tokenizer, name="epoch_1")
    records = goldieval.evaluate(adapter, tasks, out="results")
    print(dist.get_rank(), {each.task.name: each.headline.value if each.headline else each.reason for each in records})

    # Or one rank alone, while the others go on until their next exchange with it. The time-out of the process group
    # must be longer than the evaluation takes.
    if dist.get_rank() == 0:
        goldieval.evaluate(adapter, tasks, out="results", distributed=False)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
