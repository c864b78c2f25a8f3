"""Imports a miniature and looks at what came out."""

from earvoice.data.corpora.readers import READERS
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.takes import Wanted
from earvoice.data.corpora.write import manifest_path, write_corpus
from earvoice.data.manifest import load_talks


def imported(kind, root, *, src="en", tgt="de", split="dev", form="short", segments=None):
    """(talks, result) of an import into `root`-out."""
    out = root.with_name(root.name + "-out")
    wanted = Wanted(src, tgt, split, form, segments)
    skipped = Tally()
    manifest = manifest_path(out)
    result = write_corpus(READERS[kind](root, wanted, skipped), wanted, manifest, kind, skipped)
    return list(load_talks(manifest)), result


def texts(talks, language="de"):
    return [s.targets[language].text for talk in talks for s in talk.sentences]
