"""A model by name, with the policy that was asked for: what every outer tool needs."""

from __future__ import annotations

from dataclasses import dataclass

from earvoice.policies import PolicySpec
from earvoice.policies.choice import choose_policy
from earvoice.session import Interpreter, Request, Session
from earvoice.zoo import ModelCard, find_model


@dataclass(frozen=True)
class OpenedModel:
    """A loaded model and how its streams are to be opened."""

    interpreter: Interpreter
    card: ModelCard
    policy: PolicySpec | None

    def open(self, src_lang: str | None = None, tgt_lang: str | None = None) -> Session:
        """A stream; the model's first languages unless others are named.

        Raises: UsageError for languages it does not have.
        """
        return self.interpreter.open(Request(*self.card.pair(src_lang, tgt_lang), self.policy))


def open_model(model: str, policy: str | None = None, threads: int = 1) -> OpenedModel:
    """Loads a model. threads: of the arithmetic, for the whole process.

    Raises: UsageError for a name or policy that does not exist, CheckpointError.
    """
    import torch

    from earvoice.loading import load

    card = find_model(model)
    chosen = choose_policy(card.policy, policy)
    torch.set_num_threads(threads)
    return OpenedModel(load(card.path), card, chosen)
