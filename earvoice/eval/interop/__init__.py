"""Logs of other tools, read and written: SimulEval's instances.log, simulstream's metrics JSONL."""

from earvoice.eval.interop.simuleval import read_simuleval, write_simuleval
from earvoice.eval.interop.simulstream import read_simulstream
from earvoice.eval.interop.simulstream_export import write_simulstream

__all__ = ["read_simuleval", "read_simulstream", "write_simuleval", "write_simulstream"]
