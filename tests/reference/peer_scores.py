"""What other tools find in our exports, as JSON.

    python tests/reference/peer_scores.py SIMULEVAL_EXPORT SIMULSTREAM_EXPORT

Run in the environment of scripts/peers.sh. Figures are taken before the tools round them.
"""

import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path


def simuleval_scores(folder):
    from simuleval import options
    from simuleval.evaluator import SentenceLevelEvaluator

    metrics = ["AL", "LAAL", "AP", "DAL", "ATD", "StartOffset", "EndOffset"]
    sys.argv = ["simuleval", "--score-only", "--output", str(folder), "--latency-metrics", *metrics]
    found = {}
    for aware in (False, True):
        # With --computation-aware SimulEval 1.1.4 gives aware figures under the plain names too.
        parser = options.general_parser()
        options.add_evaluator_args(parser)
        options.add_scorer_args(parser)
        options.add_dataloader_args(parser)
        args = parser.parse_args(sys.argv[1:] + ["--computation-aware"] * aware)
        latency = SentenceLevelEvaluator.from_args(args).latency
        found |= {name: value for name, value in latency.items() if name.endswith("_CA") == aware}
    return found


def omnisteval_scores(folder, *more):
    from omnisteval import cli

    kept = {}
    cli.dump_scores_tsv = lambda scores, *_, **__: kept.update(scores)
    cli.dump_instances_jsonl = lambda *_, **__: None
    sys.argv = [
        *("omnisteval", "longform", "--word_level", "--output_folder", str(folder / "omnisteval")),
        *("--speech_segmentation", str(folder / "segments.yaml")),
        *("--ref_sentences_file", str(folder / "references.txt"), *more),
    ]
    (folder / "omnisteval").mkdir(exist_ok=True)
    cli.main()
    return {name: value for name, value in kept.items() if isinstance(value, int | float)}


def simulstream_scores(folder):
    from simulstream.config import yaml_config
    from simulstream.metrics.readers import LogReader
    from simulstream.metrics.stats import NormalizedErasure, RealTimeFactor

    reader = LogReader(yaml_config(str(folder / "eval.yaml")), str(folder / "metrics.jsonl"))
    written = {
        name: [output.final_text, output.ideal_delays, output.computational_aware_delays]
        for name, output in reader.final_outputs_and_latencies().items()
    }
    stats = {stat.name(): stat.compute(reader) for stat in (NormalizedErasure(), RealTimeFactor())}
    return {"written": written, **stats}


def main(simuleval, simulstream):
    logging.disable(logging.CRITICAL)
    real, sys.stdout = sys.stdout, sys.stderr  # the tools print
    config = ("--simulstream_config_file", str(simulstream / "eval.yaml"))
    found = {
        "versions": {name: version(name) for name in ("simuleval", "simulstream", "OmniSTEval")},
        "simuleval": simuleval_scores(simuleval),
        "omnisteval_of_simuleval": omnisteval_scores(
            simuleval,
            *("--hypothesis_file", str(simuleval / "instances.log")),
            *("--hypothesis_format", "jsonl"),
        ),
        "omnisteval_of_simulstream": omnisteval_scores(
            simulstream,
            *("--hypothesis_file", str(simulstream / "metrics.jsonl")),
            *("--hypothesis_format", "simulstream", *config),
        ),
        "simulstream": simulstream_scores(simulstream),
    }
    sys.stdout = real
    sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
