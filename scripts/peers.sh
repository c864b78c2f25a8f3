#!/bin/sh
# Makes an environment with the released evaluation tools of others, and this package beside them.
#
#   scripts/peers.sh DIR
#   EARVOICE_PEERS=DIR python -m pytest tests/interop -m slow
#
# One environment holds all of them: their pins (tqdm and bitarray of SimulEval) touch nothing that
# the others or this package need. It is apart from the development environment because mweralign
# is under the GPL and SimulEval brings test tools and a video downloader along.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: scripts/peers.sh DIR" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
"${PYTHON:-python3.11}" -m venv "$1"
"$1/bin/python" -m pip install \
    "torch==2.13.0" \
    "simuleval==1.1.4" \
    "simulstream==1.0.0" \
    "OmniSTEval==0.1.10" \
    "mweralign==1.4.1" \
    -e "$root"
"$1/bin/python" -m pip check
for module in simuleval.cli simulstream.inference omnisteval.cli mweralign earvoice.interop.agents; do
    "$1/bin/python" -c "import $module" || { echo "peers.sh: $module does not start" >&2; exit 1; }
done
echo "export EARVOICE_PEERS=$1"
