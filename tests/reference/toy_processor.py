"""A simulstream speech processor that needs no model, and changes its mind.

After chunk c its text is the numbers up to c; the last one is a guess which the next chunk
withdraws. Every third chunk it withdraws two words and writes one of them again.
"""

from simulstream.server.speech_processors import SpeechProcessor
from simulstream.server.speech_processors.incremental_output import IncrementalOutput


class ToyProcessor(SpeechProcessor):
    """Counts chunks, guessing ahead."""

    def __init__(self, config):
        super().__init__(config)
        self.clear()

    @classmethod
    def load_model(cls, config):
        pass

    def set_source_language(self, language):
        pass

    def set_target_language(self, language):
        self.language = language

    def clear(self):
        self.chunks = 0
        self.shown = []
        self.language = None

    def process_chunk(self, waveform):
        self.chunks += 1
        back = 2 if self.chunks % 3 == 0 else 1
        kept = self.shown[: max(0, len(self.shown) - back)]
        wanted = [f"{self.language}{n}" for n in range(len(kept), self.chunks)]
        return self.change(kept, [*wanted, f"?{len(waveform)}"])

    def end_of_stream(self):
        return self.change(self.shown[:-1], ["Ende."])

    def change(self, kept, new):
        gone = self.shown[len(kept) :]
        self.shown = [*kept, *new]
        text = self.tokens_to_string
        return IncrementalOutput(new, text(new), gone, text(gone))

    def tokens_to_string(self, tokens):
        return " ".join(tokens)
