"""Evaluation inside a training with fully sharded parameters (FSDP), on a whole copy of the model.

    torchrun --nproc-per-node 8 evaluate_in_fsdp.py coco-karpathy,cifar10

A sharded module cannot be evaluated itself: every call of it needs all ranks at the same moment, and ranks have
different numbers of batches. Its weights are therefore gathered into a module that is not sharded. The model is an
untrained one of open_clip; put yours in its place.
"""

import sys

import open_clip
import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard

import goldieval


def main(tasks: str, architecture: str = "ViT-B-32") -> None:
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    device = torch.device("cuda", dist.get_node_local_rank()) if on_gpu else torch.device("cpu")
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(architecture, device=device)
    tokenizer = open_clip.get_tokenizer(architecture)
    for block in [*model.visual.transformer.resblocks, *model.transformer.resblocks]:
        fully_shard(block)
    fully_shard(model, ignored_params={model.logit_scale})  # a scalar cannot be divided

    # ... some epochs of training with `model` ...

    # With the older wrapper FullyShardedDataParallel, `with FSDP.summon_full_params(model, writeback=False):` around
    # `whole.load_state_dict(...)` does the same.
    whole = open_clip.create_model(architecture, device=device)
    whole.load_state_dict(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)))
    adapter = goldieval.from_module(whole, transform, tokenizer, name="epoch_1")
    records = goldieval.evaluate(adapter, tasks, out="results")
    print(dist.get_rank(), {each.task.name: each.headline.value if each.headline else each.reason for each in records})
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
