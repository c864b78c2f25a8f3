"""A tiny COMET checkpoint with random weights, and its package's own scores for three items.

Runs where unbabel-comet is installed: `python comet_tiny_checkpoint.py FOLDER`. Writes a BERT of
two layers and FOLDER/checkpoints/model.ckpt with its hparams.yaml, and prints the scores that
`predict` gives when called directly, as one JSON list.
"""

import json
import sys
from pathlib import Path

import torch
import yaml
from comet.models import RegressionMetric
from transformers import BertConfig, BertModel, BertTokenizerFast

ITEMS = [
    {"src": "a cat", "mt": "eine katze", "ref": "eine katze"},
    {"src": "a dog", "mt": "katze", "ref": "ein hund"},
    {"src": "a cat and a dog", "mt": "hund", "ref": "eine katze und ein hund"},
]
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat dog and ein eine katze hund und"


def build(folder):
    encoder = folder / "encoder"
    encoder.mkdir(parents=True)
    (encoder / "vocab.txt").write_text("\n".join(WORDS.split()) + "\n")
    BertTokenizerFast(str(encoder / "vocab.txt")).save_pretrained(encoder)
    torch.manual_seed(7)
    config = BertConfig(len(WORDS.split()), 16, 2, 2, 32)
    BertModel(config).save_pretrained(encoder)
    model = RegressionMetric(
        encoder_model="BERT",
        pretrained_model=str(encoder),
        hidden_sizes=[24],
        layer="mix",
        local_files_only=True,
    )
    hparams = dict(model.hparams)
    path = folder / "checkpoints" / "model.ckpt"
    path.parent.mkdir()
    torch.save(
        {
            "state_dict": model.state_dict(),
            "hyper_parameters": hparams,
            "pytorch-lightning_version": "2.5.0",
        },
        path,
    )
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams))
    return model


if __name__ == "__main__":
    built = build(Path(sys.argv[1]))
    found = built.predict(ITEMS, batch_size=2, gpus=0, progress_bar=False, num_workers=0)
    sys.stdout.write(json.dumps(found.scores) + "\n")
