"""`earvoice convert adaptation`: LoRA and adapter put back beside their base, and merged into it.

OUT/adaptation  +  base  ->  a plain model folder
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from earvoice.systems.llast import LlastConfig
    from earvoice.text.tokenizer import Tokenizer

_WHAT = """\
Put an adaptation (LoRA and adapter: what training writes to OUT/adaptation, and `convert llast`
without --encoder and --llm) back beside the model it was learnt on, and merge them: DIR is a model
that `earvoice translate --model DIR` loads.

The base is what LoRA's stage started from, without LoRA: the folder given to training as
`--reuse STAGE=DIR`, from `convert pretrained` or an exported model. Not OUT/model of the same run:
there the adaptation is in already. Its encoder and language model are taken, and its vocabulary;
everything else is the adaptation's.

  earvoice convert adaptation runs/llast-2b/adaptation --base models/llast-2b-start \\
      --out models/llast-2b
"""
_ENCODER_SIZES = ("mels", "dim", "layers", "heads", "ffn_dim", "frames")
_LLM_SIZES = ("vocab_size", "dim", "layers", "heads", "kv_heads", "ffn_dim")
_FROZEN = ("encoder.", "lm.")
_PEFT_BASE = ".base_layer."
"""Where peft keeps a weight beside which it has put its own."""


def add_adaptation(kinds: Any) -> None:
    """Adds the kind."""
    parser = kinds.add_parser(
        "adaptation",
        help="LoRA and adapter of a training, merged into the model they were learnt on",
        description=_WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("adaptation", type=Path, metavar="FOLDER", help="OUT/adaptation")
    parser.add_argument(
        "--base",
        required=True,
        metavar="MODEL",
        help="folder of the model without LoRA, or the name of a shipped one",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")


def run_adaptation(args: argparse.Namespace) -> int:
    """Merges and writes; returns 0.

    Raises: UsageError for a folder that is not there; CheckpointError for a damaged one, or a base
        of another system or size.
    """
    from earvoice.train.adaptation import read_adaptation
    from earvoice.train.export import write_model
    from earvoice.zoo import find

    if not args.adaptation.is_dir():
        raise UsageError(f"there is no folder {args.adaptation}")
    base = Path(args.base) if Path(args.base).is_dir() else find(args.base)
    tensors = read_adaptation(args.adaptation)
    config, tokenizer = _read(args.adaptation, base)
    system = _adapted(config, base, tensors, str(args.adaptation))
    folder = write_model(system, tokenizer, config, args.out.name, args.out)
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{folder}: {len(tensors)} tensors, {count / 1e6:.1f} M parameters adapted")
    return 0


def _read(adaptation: Path, base: Path) -> tuple[LlastConfig, Tokenizer]:
    """The system that comes out, and the base's vocabulary."""
    from earvoice.loading import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, read_config
    from earvoice.models.convert.folder import read_config as read_object
    from earvoice.models.files import MANIFEST, verify_manifest
    from earvoice.systems import vocabulary_size
    from earvoice.systems.llast import LlastConfig
    from earvoice.text.tokenizer import Tokenizer

    if not (base / MANIFEST).is_file():
        raise CheckpointError(f"{base} has no {MANIFEST}: it is not a finished model")
    verify_manifest(base, required=(CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE))
    found, config = read_object(base), read_config(adaptation / CONFIG_FILE)
    kind = found.get("kind", config.kind)  # what `convert pretrained` writes is of no system yet
    if not isinstance(config, LlastConfig) or kind != config.kind:
        raise CheckpointError(f"{adaptation} is of a {config.kind} model, {base} of a {kind} model")
    config = _beside(config, found, base)
    tokenizer = Tokenizer.load(base / TOKENIZER_FILE)
    if tokenizer.vocab_size != vocabulary_size(config):
        raise CheckpointError(
            f"{base}: {TOKENIZER_FILE} has {tokenizer.vocab_size} entries, {adaptation} was "
            f"learnt with {vocabulary_size(config)}"
        )
    return config, tokenizer


def _beside(config: LlastConfig, found: Mapping[str, Any], base: Path) -> LlastConfig:
    """The adaptation's configuration on a base, without what only training has.

    Raises: CheckpointError naming what differs.
    """
    from earvoice.config import parse
    from earvoice.models.llm_config import HfLlmConfig

    update: dict[str, Any] = {"phones": 0, "phone_weight": 0.0}
    sizes = [("encoder", name) for name in _ENCODER_SIZES]
    if isinstance(config.llm, HfLlmConfig):  # the folder it was trained from may be gone
        if "settings" not in _part(found, "llm"):
            raise CheckpointError(f"{base}: llm has no settings: it is none of transformers'")
        update["llm"] = parse(found["llm"], HfLlmConfig, where=f"{base}: llm")
    else:
        sizes += [("llm", name) for name in _LLM_SIZES]
    for part, name in sizes:
        there, wanted = _part(found, part).get(name), getattr(getattr(config, part), name)
        if there != wanted:
            raise CheckpointError(
                f"{base}: {part}.{name} is {there!r}, the adaptation was learnt beside {wanted!r}"
            )
    return config.model_copy(update=update)


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the base's config.json, empty where there is none."""
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _adapted(config: LlastConfig, base: Path, tensors: dict[str, Tensor], where: str) -> nn.Module:
    """The system of the base's encoder and language model, LoRA and the adapter beside them.

    Raises: CheckpointError naming what is missing, unknown or misshapen in either.
    """
    from earvoice.loading import WEIGHTS_FILE
    from earvoice.models.blank import blank_weights
    from earvoice.models.files import check_tensors, read_safetensors
    from earvoice.systems.llast import Llast
    from earvoice.train.adaptation import adaptation_of, is_adaptation

    with blank_weights():
        system = Llast(config)
    frozen = {
        name: value.float()
        for name, value in read_safetensors(base / WEIGHTS_FILE).items()
        if name.startswith(_FROZEN)
    }
    own = system.state_dict()
    places = {name.replace(_PEFT_BASE, "."): name for name in own if not is_adaptation(name)}
    check_tensors({name: own[place] for name, place in places.items()}, frozen, str(base))
    check_tensors(adaptation_of(system), tensors, where)
    weights = {place: frozen[name] for name, place in places.items()}
    system.load_state_dict(weights | tensors, strict=False, assign=True)
    return system
