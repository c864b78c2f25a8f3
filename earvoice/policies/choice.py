"""The policy that is asked for, where what is not said is as in the model's own."""

from __future__ import annotations

from earvoice.errors import UsageError
from earvoice.policies import PolicySpec, WaitK, parse_policy
from earvoice.policies.schedule import OFFLINE_K

OFFLINE = "offline"


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
