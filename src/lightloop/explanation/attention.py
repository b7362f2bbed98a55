"""Attention over tokens or steps, as far as it tells where a network looked.

What it does not tell is for which answer, in which direction, and what was done with what was seen: see its checks.

Shapes: N records, T tokens or steps, D width.
"""

import torch
from torch import Tensor, nn

from lightloop.explanation.reference import Extras, Reference, by_chunks
from lightloop.networks._attention import SelfAttention
from lightloop.networks._pooling import Pool, last_present


def attention(
    network: nn.Module, x_NDT: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """How much of what is pooled came from each token or step by attention: (N, T), at least 0, sums to 1.

    Of blocks of self-attention it is the rollout: the product of their weights, mean over heads, each mixed evenly with
    the shortcut beside it; then the pooling's own weights. Of recurrent networks it is these weights alone.

    Source: arXiv:2005.00928 (rollout); why it is no explanation by itself: arXiv:1902.10186.
    """
    seen: list[tuple[nn.Module, tuple[Tensor, Tensor | None]]] = []
    hooks = [
        module.register_forward_hook(lambda own, given, _: seen.append((own, given)))
        for module in network.modules()
        if isinstance(module, SelfAttention | Pool)
    ]

    def roll_out(x_NDT: Tensor, _: Tensor, more: Extras | None) -> Tensor:
        seen.clear()
        network(x_NDT, *(more or ()))
        rolled_NTT = torch.eye(x_NDT.shape[2]).expand(len(x_NDT), -1, -1)
        pooled = []
        for module, (given_NTD, mask_NT) in seen:
            if isinstance(module, SelfAttention):
                rolled_NTT = (_weights(module, given_NTD, mask_NT) @ rolled_NTT + rolled_NTT) / 2
            elif isinstance(module, Pool):
                pooled.append((module.how, _pooling(module, given_NTD, mask_NT)))
        # A bag of tokens pools in several ways, of which only attention weighs tokens.
        weighed = [weight_NT for how, weight_NT in pooled if how == "attention"] or [
            weight_NT for _, weight_NT in pooled
        ]
        return (torch.stack(weighed).mean(0)[:, None] @ rolled_NTT)[:, 0]

    try:
        with torch.no_grad():
            return by_chunks(x_NDT, targets_N, extras, reference.rows, roll_out)
    finally:
        for hook in hooks:
            hook.remove()


def has_attention(network: nn.Module) -> bool:
    """Whether a network weighs its tokens or steps by attention."""
    return any(
        isinstance(module, SelfAttention) or (isinstance(module, Pool) and module.how == "attention")
        for module in network.modules()
    )


def _weights(module: SelfAttention, x_NTD: Tensor, mask_NT: Tensor | None) -> Tensor:
    """What each step takes of each other, mean over heads, (N, T, T)."""
    q, k, _ = module.questions_keys_values(x_NTD).unflatten(2, (3, module.heads, -1)).unbind(2)
    scores_NHTT = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) / k.shape[-1] ** 0.5
    if mask_NT is not None:
        scores_NHTT = scores_NHTT.masked_fill(~mask_NT[:, None, None, :], -torch.inf)
    return scores_NHTT.softmax(-1).mean(1)


def _pooling(module: Pool, x_NTD: Tensor, mask_NT: Tensor | None) -> Tensor:
    """The weight of each step in what is pooled, (N, T); of the last steps of both directions half each."""
    present_NT = torch.ones_like(x_NTD[..., 0], dtype=torch.bool) if mask_NT is None else mask_NT
    if module.how == "attention":
        return module.score(x_NTD)[..., 0].masked_fill(~present_NT, -torch.inf).softmax(1)
    if module.how == "mean":
        return present_NT / present_NT.sum(1, keepdim=True)
    weight_NT = torch.zeros_like(x_NTD[..., 0]).scatter(1, last_present(present_NT)[:, None], 1.0)
    if module.bidirectional:
        weight_NT[:, 0] += 1
        weight_NT = weight_NT / 2
    return weight_NT
