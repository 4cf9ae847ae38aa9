"""The loss of a classifier on the layers of an encoder."""

from __future__ import annotations

from torch import Tensor

from ..nn import TransferNet

__all__ = ["transfer_loss"]


def transfer_loss(model: TransferNet, x: Tensor, code: Tensor) -> dict[str, Tensor]:
    """-log p(y|x), the cross-entropy of labeled samples.

    Parameters
    ----------
    model : TransferNet
        The network.
    x : Tensor of shape (B, ...)
        A batch.
    code : Tensor of shape (B,), int64
        Class codes.

    Returns
    -------
    dict of Tensor of shape (B,)
        ``loss``, in nats per sample; ``missed``, 1 where the most probable class is another one.

    References
    ----------
    VAE-transfer paper, Section 3.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, TransferNet, feedforward_head, mlp_decoder, mlp_encoder
    >>> from sklvae.objectives import transfer_loss
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> net = TransferNet(vae, (6,), n_layers=1, head=feedforward_head, n_classes=3, freeze=False)
    >>> terms = transfer_loss(net, torch.rand(2, 6), torch.tensor([2, 0]))
    >>> {name: tuple(term.shape) for name, term in terms.items()}
    {'loss': (2,), 'missed': (2,)}
    """
    label = model.classify(x)
    return {"loss": -label.log_prob(code), "missed": (label.probs.argmax(dim=-1) != code).to(label.probs.dtype)}
