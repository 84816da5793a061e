"""What training is computed on: device, precision, and how much fits into memory at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veclab.errors import InputError
from veclab.models.local.openvino.engine import multiplies_bf16
from veclab.models.local.torch_engine import best_device, usable_device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Of the memory that is free, what activations may take.
_SHARE = 0.5


def choose_device(asked: str | None) -> str:
    """Return `cpu`, `cuda` or `mps`; raises InputError for what cannot be used."""

    if asked is not None:
        if usable_device(asked) not in ("cpu", "cuda", "mps"):
            raise InputError(
                f"training runs on cpu, cuda or mps, not {asked!r}; of several accelerators, "
                "CUDA_VISIBLE_DEVICES chooses one"
            )
        return asked
    return best_device()


def has_bf16(device: str) -> bool:
    """Return whether a device multiplies bf16 in hardware."""
    import torch

    if device == "cuda":
        # 8.0 (Ampere) is the first; older ones only emulate it.
        return bool(torch.version.hip) or torch.cuda.get_device_capability() >= (8, 0)
    if device == "mps":
        return False
    return multiplies_bf16()


def texts_at_once(model: SentenceTransformer, tokens: int, device: str, bf16: bool) -> int:
    """Return how many texts of so many tokens fit into memory in training, 1 or more.

    An estimate: with fused attention a layer keeps about 34 numbers of 8 bits for each of a token's
    dimensions in bf16, twice that in f32 (Korthikanti et al. 2022, arXiv:2205.05198, section 4.1).
    """
    config = next(m for m in model.modules() if hasattr(m, "config")).config
    layers = int(getattr(config, "num_hidden_layers", None) or 12)
    width = int(getattr(config, "hidden_size", None) or 768)
    text = layers * tokens * 34 * width * (1 if bf16 else 2)
    return max(1, int(_SHARE * _free_bytes(device) / text))


def leave_out_dropout(model: SentenceTransformer) -> None:
    """Switch dropout off for training; what is saved says what the base said.

    On a processor it takes two fifths of the time: torch draws its numbers one by one and cannot
    fuse attention around it (a batch of 64 texts of 128 tokens, all-MiniLM-L6-v2 in bf16 on two
    cores of Zen 4: 4.2 s with it, 2.5 s without). Against overfitting the best checkpoint is kept.
    """
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def _free_bytes(device: str) -> int:
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil  # comes with accelerate

    return int(psutil.virtual_memory().available)
