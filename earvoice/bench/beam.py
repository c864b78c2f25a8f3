"""Beam search of ours against transformers' `generate`, on the same random weights.

Both get the same prompts, in one process and in turn, prompt included: what is compared is what a
user of either waits for. Random weights are made decided (`_SHARPER`) and given to ending now and
then, so that the searches branch, end at different lengths, and have no ties for rounding to break.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from earvoice.bench.machine import describe
from earvoice.bench.sizes import SIZES
from earvoice.errors import UsageError
from earvoice.models.layout import lay_out_for_inference
from earvoice.models.llm import Llama, LlamaConfig
from earvoice.nn.masks import PROMPT, Entries, causal
from earvoice.search.beam import BeamSettings, beam_search

EOS, PAD = 1, 0
_SHARPER = 6.0
_ENDING = 1.5
_CLOSE = 1e-4
"""Scores further apart than this are not the same."""

NBest = list[tuple[tuple[int, ...], float]]
"""Token ids without the end token, and their score; best first."""


@dataclass(frozen=True)
class BeamBenchSettings:
    """streams: prompts searched as one batch, one figure each; tokens: written at most."""

    sizes: str = "mini"
    streams: tuple[int, ...] = (1, 4)
    beams: int = 4
    prompt_tokens: int = 120
    tokens: int = 40
    rounds: int = 7
    threads: int = 1
    seed: int = 1


def run(settings: BeamBenchSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures. Raises: UsageError without transformers, or for sizes there are not."""
    if settings.sizes not in SIZES:
        raise UsageError(f"--sizes is {settings.sizes!r}, it must be one of {', '.join(SIZES)}")
    config = SIZES[settings.sizes].llm
    about = describe()
    ours, theirs = _pair(config, settings.seed)
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.inference_mode():
            rows = [_measure(ours, theirs, settings, count, say) for count in settings.streams]
    finally:
        torch.set_num_threads(before)
    return {
        "benchmark": "beam",
        "speedup": rows[0]["speedup"],
        **{f"speedup_{row['streams']}": row["speedup"] for row in rows[1:]},
        "identical": all(row["identical"] for row in rows),
        "streams": rows,
        "parameters": sum(parameter.numel() for parameter in ours.parameters()),
        "settings": asdict(settings),
        "transformers": _transformers().__version__,
        **about,
    }


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise UsageError(
            "bench beam compares with transformers, which is not installed; it comes with the "
            "extra 'hf'"
        ) from None
    return transformers


def _pair(config: LlamaConfig, seed: int) -> tuple[Llama, Any]:
    """Equal random weights in both."""
    transformers = _transformers()
    from earvoice.models.convert.llama import llama_config, map_llama

    torch.manual_seed(seed)
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.dim,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            intermediate_size=config.ffn_dim,
            bos_token_id=None,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.dim() > 1:
                parameter.mul_(_SHARPER)
        theirs.lm_head.weight[EOS] *= _ENDING
    same = llama_config(theirs.config.to_dict(), "bench beam")
    ours = Llama(same).eval().requires_grad_(False)
    ours.load_state_dict(map_llama(theirs.state_dict(), same, "bench beam"))
    lay_out_for_inference(ours)  # as `load` does; theirs is laid out as their loading does
    return ours, theirs.requires_grad_(False)


def _measure(
    ours: Llama, theirs: Any, settings: BeamBenchSettings, count: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """One batch size: both in turn, `rounds` times, on new prompts each time."""
    generator = torch.Generator().manual_seed(settings.seed)
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    identical, ended, lengths = True, 0, set()
    for number in range(settings.rounds + 1):  # the first warms up and is compared only
        say(f"{count} streams, round {number} of {settings.rounds}")
        shape = (count, settings.prompt_tokens)
        prompts = torch.randint(2, ours.config.vocab_size, shape, generator=generator)
        found, ours_s = _timed(partial(_ours, ours, prompts, settings))
        expected, theirs_s = _timed(partial(_theirs, theirs, prompts, settings))
        identical = identical and _same(found, expected)
        texts = [text for best in found for text, _ in best]
        ended += sum(len(text) < settings.tokens for text in texts)
        lengths |= {len(text) for text in texts}
        if number:
            times["ours"].append(ours_s)
            times["theirs"].append(theirs_s)
    ours_s, theirs_s = (statistics.median(times[name]) for name in ("ours", "theirs"))
    ratios = [b / a for a, b in zip(times["ours"], times["theirs"], strict=True)]
    hypotheses = count * settings.beams * (settings.rounds + 1)
    return {
        "streams": count,
        "speedup": round(statistics.median(ratios), 2),
        "speedup_low": round(min(ratios), 2),
        "speedup_high": round(max(ratios), 2),
        "ours_s": round(ours_s, 4),
        "theirs_s": round(theirs_s, 4),
        "identical": identical,
        "ended_share": round(ended / hypotheses, 2),
        "lengths": len(lengths),
    }


def _timed(search: Callable[[], list[NBest]]) -> tuple[list[NBest], float]:
    """The result, and CPU seconds of this process, all threads together."""
    start_s = time.process_time()
    found = search()
    return found, time.process_time() - start_s


def _ours(lm: Llama, prompts: torch.Tensor, settings: BeamBenchSettings) -> list[NBest]:
    count, length = prompts.shape
    width = settings.beams
    cache = lm.init_state(count * width, length + settings.tokens)
    place = torch.arange(length).expand(count, -1)
    zeros = torch.zeros_like(place)
    entries = Entries(place, place, zeros + PROMPT, zeros)
    first = list(range(0, count * width, width))
    hidden = lm(lm.embed(prompts), entries, cache, first, causal)[:, -1]
    bests = beam_search(
        lm,
        cache,
        [range(row, row + width) for row in first],
        list(hidden),
        [(length, 0)] * count,
        [settings.tokens] * count,
        EOS,
        BeamSettings(width),
    )
    return [[(one.tokens, one.score) for one in best] for best in bests]


def _theirs(lm: Any, prompts: torch.Tensor, settings: BeamBenchSettings) -> list[NBest]:
    count, length = prompts.shape
    found = lm.generate(
        input_ids=prompts,
        attention_mask=torch.ones_like(prompts),
        num_beams=settings.beams,
        num_return_sequences=settings.beams,
        max_new_tokens=settings.tokens,
        do_sample=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    # What follows the end of a short hypothesis is padding; the beam's indices say where that is.
    counts = (found.beam_indices >= 0).sum(-1).tolist()
    texts = []
    for row, kept in zip(found.sequences.tolist(), counts, strict=True):
        tokens = row[length : length + kept]
        texts.append(tuple(tokens[:-1] if tokens[-1:] == [EOS] else tokens))
    pairs = list(zip(texts, found.sequences_scores.tolist(), strict=True))
    return [pairs[item * settings.beams : (item + 1) * settings.beams] for item in range(count)]


def _same(found: Sequence[NBest], expected: Sequence[NBest]) -> bool:
    """Equal texts in equal order, with equal scores up to rounding."""
    return all(
        len(ours) == len(theirs)
        and all(
            mine == other and abs(score - theirs_score) < _CLOSE
            for (mine, score), (other, theirs_score) in zip(ours, theirs, strict=True)
        )
        for ours, theirs in zip(found, expected, strict=True)
    )
