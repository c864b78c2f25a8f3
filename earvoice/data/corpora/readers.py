"""The corpora we read, by the name the command line has for them."""

from __future__ import annotations

from types import MappingProxyType

from earvoice.data.corpora.acl6060 import read_acl6060
from earvoice.data.corpora.covost2 import read_covost2
from earvoice.data.corpora.fleurs import read_fleurs
from earvoice.data.corpora.mcif import read_mcif
from earvoice.data.corpora.must_c import read_must_c
from earvoice.data.corpora.realsi import read_realsi
from earvoice.data.corpora.takes import Reader

_BY_NAME: dict[str, Reader] = {
    "must-c": read_must_c,
    "covost2": read_covost2,
    "fleurs": read_fleurs,
    "acl6060": read_acl6060,
    "mcif": read_mcif,
    "realsi": read_realsi,
}
READERS = MappingProxyType(_BY_NAME)
