"""`earvoice convert KIND`: checkpoints of other projects as ours, and of trainings in one file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.cli.convert_adaptation import add_adaptation, run_adaptation
from earvoice.errors import UsageError

if TYPE_CHECKING:
    from earvoice.models.convert.llast import Adaptation
    from earvoice.systems.llast import LlastConfig

_DESCRIPTION = """\
Import a checkpoint of LLaST's published training code: a file, or the folder DeepSpeed makes
(epoch_1.pth/). Nothing in it is run: it is opened in torch's weights-only mode.

Alone it gives the adaptation (LoRA and adapter) as safetensors. With the folders of the Whisper
and the language model it was trained on, in transformers' layout, it is merged into them, and DIR
is a model that `earvoice translate --model DIR` loads.
"""
_PRETRAINED = """\
Put an encoder (Whisper, wav2vec 2.0) and a language model of the Llama family, both as folders of
transformers' layout on disk, into one folder of our names, with the language model's vocabulary:
what recipes call `pretrained`. Nothing is downloaded and nothing in them is run.

  earvoice convert pretrained --encoder whisper-large-v2 --llm TinyLlama-1.1B-Chat-v1.0 \\
      --out models/llast-2b-start
  earvoice train recipes/llast/full-2b.yaml --reuse pretrained=models/llast-2b-start
"""
_EPILOG = """\
examples:
  earvoice convert llast epoch_1.pth --out models/llast-2b-adaptation
  earvoice convert llast epoch_1.pth --encoder whisper-large-v2 --llm TinyLlama-1.1B-Chat-v1.0 \\
      --out models/llast-2b
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser("convert", help="import checkpoints of other projects")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    llast = kinds.add_parser(
        "llast",
        help="LLaST's published training code",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    llast.add_argument("checkpoint", type=Path, help="file or folder")
    llast.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    llast.add_argument("--encoder", type=Path, metavar="DIR", help="folder of the Whisper model")
    llast.add_argument("--llm", type=Path, metavar="DIR", help="folder of the language model")
    llast.add_argument(
        "--chat",
        choices=("tinyllama", "llama2"),
        help="chat template (default: tinyllama for 22 layers, else llama2)",
    )
    pretrained = kinds.add_parser(
        "pretrained",
        help="an encoder and a language model, for recipes to start from",
        description=_PRETRAINED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pretrained.add_argument("--encoder", type=Path, required=True, metavar="DIR", help="its folder")
    pretrained.add_argument("--llm", type=Path, required=True, metavar="DIR", help="its folder")
    pretrained.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    pretrained.add_argument(
        "--add-tokens",
        default="",
        metavar="NAMES",
        help="control tokens to add, e.g. '<sp_patch>,<sp_start>,<sp_end>' for FASST and LST",
    )
    checkpoint = kinds.add_parser(
        "checkpoint",
        help="a checkpoint of a training, sharded or without its frozen weights, in one file",
    )
    checkpoint.add_argument("checkpoint", type=Path, help="OUT/STAGE/step-00001000")
    checkpoint.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    add_adaptation(kinds)


def run(args: argparse.Namespace) -> int:
    """Converts. Returns 0."""
    if args.out.exists() and any(args.out.iterdir() if args.out.is_dir() else [args.out]):
        raise UsageError(f"--out is {args.out}, which is there already; name a new folder")
    kinds = {
        "llast": _llast,
        "pretrained": _pretrained,
        "checkpoint": _checkpoint,
        "adaptation": run_adaptation,
    }
    return kinds[args.kind](args)


def _pretrained(args: argparse.Namespace) -> int:
    from earvoice.models.convert.pretrained import pretrained_folder

    added = [name.strip() for name in args.add_tokens.split(",") if name.strip()]
    print(
        f"{pretrained_folder(args.encoder, args.llm, args.out, added)}: use it as --reuse "
        f"pretrained={args.out}"
    )
    return 0


def _checkpoint(args: argparse.Namespace) -> int:
    from earvoice.train.checkpoint import write_whole

    print(write_whole(args.checkpoint, args.out))
    return 0


def _llast(args: argparse.Namespace) -> int:
    if (args.encoder is None) != (args.llm is None):
        raise UsageError("--encoder and --llm belong together: give both, or neither")
    if not args.checkpoint.exists():
        raise UsageError(f"there is no checkpoint {args.checkpoint}")
    config, found = _read(args)
    if args.encoder is None:
        from earvoice.train.adaptation import write_adaptation

        folder = write_adaptation(found.tensors, config.model_dump_json(indent=1), args.out)
    else:
        folder = _merged(args, config, found)
    count = sum(tensor.numel() for tensor in found.tensors.values())
    print(f"{folder}: {len(found.tensors)} tensors, {count / 1e6:.1f} M parameters adapted")
    return 0


def _read(args: argparse.Namespace) -> tuple[LlastConfig, Adaptation]:
    """The system a checkpoint belongs to, and its tensors in our names."""
    from earvoice.models.convert.folder import read_config
    from earvoice.models.convert.llama import llama_config
    from earvoice.models.convert.llast import LORA_SCALE, llm_of, map_llast, read_checkpoint
    from earvoice.models.convert.whisper import whisper_config
    from earvoice.models.lora import LoraConfig
    from earvoice.models.whisper import WhisperConfig
    from earvoice.systems.llast import LlastConfig

    tensors, where = read_checkpoint(args.checkpoint), str(args.checkpoint)
    if args.encoder is None:
        encoder, llm = WhisperConfig(), llm_of(tensors, where)
    else:
        encoder = whisper_config(read_config(args.encoder), str(args.encoder / "config.json"))
        llm = llama_config(read_config(args.llm), str(args.llm / "config.json"))
    found = map_llast(tensors, encoder, llm, where)
    ranks = (found.speech_rank, found.llm_rank)
    speech, text = (LoraConfig(rank=rank, alpha=rank * LORA_SCALE) for rank in ranks)
    config = LlastConfig(
        encoder=encoder,
        llm=llm,
        adapter_layers=found.adapter_layers,
        chat=args.chat or ("tinyllama" if llm.layers == 22 else "llama2"),
        speech_lora=speech,
        llm_lora=text,
    )
    return config, found


def _merged(args: argparse.Namespace, config: LlastConfig, found: Adaptation) -> Path:
    """The model folder of the adaptation merged into its encoder and language model."""
    from earvoice.models.blank import blank_weights
    from earvoice.models.convert.llama import llama_from_folder
    from earvoice.models.convert.whisper import whisper_from_folder
    from earvoice.systems.llast import Llast
    from earvoice.text.tokenizer import Tokenizer
    from earvoice.train.adaptation import put_adaptation
    from earvoice.train.export import write_model

    tokenizer = Tokenizer.load(args.llm)
    encoder, lm = whisper_from_folder(args.encoder), llama_from_folder(args.llm)
    with blank_weights():
        system = Llast(config)
    weights = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    weights |= {f"lm.{name}": value for name, value in lm.state_dict().items()}
    weights |= found.tensors
    system.load_state_dict(weights, assign=True)
    put_adaptation(system, found.tensors, str(args.checkpoint))
    return write_model(system, tokenizer, config, args.out.name, args.out)
