"""A model by name, with the policy that was asked for: what every outer tool needs."""

from __future__ import annotations

from dataclasses import dataclass

from earvoice.errors import UsageError
from earvoice.policies import PolicySpec, WaitK, parse_policy
from earvoice.policies.schedule import OFFLINE_K
from earvoice.session import Interpreter, Request, Session
from earvoice.zoo import ModelCard, find_model

OFFLINE = "offline"


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


def choose_policy(
    own: PolicySpec | None, text: str | None = None, **options: int | None
) -> PolicySpec | None:
    """The policy of `wait-k:k=3,n=3`, `align-att:frames=4` or `offline`; None is the model's own.

    own: None for a model that decides by itself, and so is what is chosen where nothing is said.
    options: as of `parse_policy`; None is not said. Raises: UsageError naming the part that is
    wrong.
    """
    if text is None and own is None:
        said = [name for name, value in options.items() if value is not None]
        if said:
            raise UsageError(f"--{said[0]}: this model decides when to write; name a --policy too")
        return None
    if text == OFFLINE:
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise UsageError(
                f"--{given[0]}: offline waits for the whole utterance; it has no options"
            )
        return WaitK(OFFLINE_K, own.n) if isinstance(own, WaitK) else WaitK(OFFLINE_K)
    return parse_policy(text or (own or WaitK()).kind, own, **options)


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
