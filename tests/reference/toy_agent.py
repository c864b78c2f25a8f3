"""A SimulEval agent that needs no model: two words at one second, one at two, two at the end."""

from simuleval.agents import SpeechToTextAgent
from simuleval.agents.actions import ReadAction, WriteAction
from simuleval.utils import entrypoint


@entrypoint
class ToyAgent(SpeechToTextAgent):
    """Writes `eins zwei`, `drei`, `vier fünf`."""

    @staticmethod
    def add_args(parser):
        parser.add_argument("--last", default="vier fünf", help="what to write at the end")

    def reset(self):
        super().reset()
        self.written = 0

    def policy(self):
        if self.states.source_finished:
            return WriteAction(self.args.last, finished=True)
        heard = len(self.states.source) / (self.states.source_sample_rate or 1)
        for number, (due, text) in enumerate([(1, "eins zwei"), (2, "drei")]):
            if self.written == number and heard >= due:
                self.written += 1
                return WriteAction(text, finished=False)
        return ReadAction()
