"""SimulEval 1.1.4's own remote evaluation, with the attribute it forgets.

python simuleval_remote.py --remote-eval --remote-port PORT --source F --target F --output DIR ...
"""

from simuleval.cli import remote_evaluate
from simuleval.evaluator import SentenceLevelEvaluator

if __name__ == "__main__":
    # The release asks for `instance_iterator`, which is called `iterator`, and returns a method.
    SentenceLevelEvaluator.instance_iterator = property(lambda self: self.iterator)
    remote_evaluate()
