"""Recordings in tar.gz: the corpus as it is handed out, and archives that are broken or hostile."""

import gzip
import io
import json
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.data.corpora import archives
from earvoice.data.corpora.archives import Packed, unpacked
from earvoice.data.corpora.takes import Take
from earvoice.errors import DataError
from tests.data.corpora.importing import imported, texts
from tests.data.corpora.miniatures import fleurs, fleurs_row, write_audio

ENGLISH = [fleurs_row(7, "11.wav", "Hello there."), fleurs_row(3, "12.wav", "Good night.")]
CHINESE = [fleurs_row(3, "91.wav", "晚安。"), fleurs_row(7, "92.wav", "你好。")]
SCRATCH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def packed(root, english=ENGLISH, folder="dev/", **options):
    """The corpus with its recordings in the archive, and nothing beside it."""
    data = fleurs(root, english, CHINESE)
    audio = data / "en_us" / "audio"
    with tarfile.open(audio / "dev.tar.gz", "w:gz", **options) as tar:
        if folder:
            tar.add(audio / "dev", folder, recursive=False)
        for wav in sorted((audio / "dev").iterdir()):
            tar.add(wav, f"{folder}{wav.name}")
            wav.unlink()
    (audio / "dev").rmdir()
    return audio / "dev.tar.gz"


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("folder", ["dev/", "./dev/", ""])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_an_archive_gives_what_the_folder_gives(tmp_path, folder, form):
    fleurs(tmp_path / "f", ENGLISH, CHINESE)
    packed(tmp_path / "g", folder=folder, format=form)
    plain, _ = imported("fleurs", tmp_path / "f", tgt="zh")
    talks, result = imported("fleurs", tmp_path / "g", tgt="zh")
    assert texts(talks, "zh") == texts(plain, "zh") == ["你好。", "晚安。"]
    for talk, other in zip(talks, plain, strict=True):
        assert talk.path.is_relative_to(tmp_path / "g-out" / "unpacked" / "en_us" / "dev")
        assert (talk.read_samples() == other.read_samples()).all()
    assert result.lines() == ["unpacked 2: 2 from dev.tar.gz (11, 12)"]


def test_other_rates_are_converted_and_the_original_goes(tmp_path):
    data = fleurs(tmp_path / "f", ENGLISH, CHINESE)
    write_audio(data / "en_us" / "audio" / "dev" / "12.wav", 0.6, 48000)
    archive = packed_of(data)
    talks, result = imported("fleurs", tmp_path / "f", tgt="zh")
    out = tmp_path / "f-out"
    assert [str(talk.path.relative_to(out)) for talk in talks] == [
        "unpacked/en_us/dev/11.wav",
        "audio/12.wav",
    ]
    assert sorted(path.name for path in out.rglob("*.wav")) == ["11.wav", "12.wav"]
    assert result.converted.places == {"48000 Hz": ["12"]}
    record = json.loads((out / "import.json").read_text(encoding="utf-8"))
    assert record["unpacked"] == {"from dev.tar.gz": ["11", "12"]}
    assert archive.is_file()


def packed_of(data):
    """Packs what `fleurs` wrote."""
    audio = data / "en_us" / "audio"
    with tarfile.open(audio / "dev.tar.gz", "w:gz") as tar:
        tar.add(audio / "dev", "dev")
    (audio / "dev").rename(data / "away")
    return audio / "dev.tar.gz"


def test_an_import_that_was_stopped_goes_on(tmp_path, monkeypatch):
    packed(tmp_path / "f")
    packed(tmp_path / "g")
    imported("fleurs", tmp_path / "f", tgt="zh")
    whole = contents(tmp_path / "f-out")

    def stop(to, content, write=archives._write):
        if to.name == "12.wav":
            to.with_name("12.wav.partial").write_bytes(next(content))
            raise KeyboardInterrupt
        write(to, content)

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            imported("fleurs", tmp_path / "g", tgt="zh")
    first = tmp_path / "g-out" / "unpacked" / "en_us" / "dev" / "11.wav"
    before = first.stat().st_mtime_ns
    imported("fleurs", tmp_path / "g", tgt="zh")
    assert contents(tmp_path / "g-out") == whole
    assert first.stat().st_mtime_ns == before  # not written again


def test_an_archive_of_which_all_is_there_is_not_opened(tmp_path):
    archive = packed(tmp_path / "f")
    takes = [Take("11", archive, (), "here", Packed(archive, "dev", "11.wav", "en_us/dev"))]
    (found,) = unpacked(takes, tmp_path / "out")
    archive.unlink()
    assert unpacked(takes, tmp_path / "out") == [found]
    assert found.audio.is_file()


def test_a_file_of_another_length_is_written_again(tmp_path):
    archive = packed(tmp_path / "f")
    half = tmp_path / "f-out" / "unpacked" / "en_us" / "dev" / "11.wav"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"RIFF")
    imported("fleurs", tmp_path / "f", tgt="zh")
    with tarfile.open(archive) as tar:
        assert half.stat().st_size == tar.getmember("dev/11.wav").size


def test_what_the_archive_lacks_is_counted(tmp_path):
    packed(tmp_path / "f")
    table = tmp_path / "f" / "data" / "en_us" / "dev.tsv"
    row = fleurs_row(7, "13.wav", "Hello there.")
    table.write_text(table.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    _, result = imported("fleurs", tmp_path / "f", tgt="zh")
    assert list(result.skipped.places) == ["missing audio"]
    assert result.skipped.places["missing audio"][0].endswith("dev.tsv line 3")


def member(name, content=b"", **fields):
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in fields.items():
        setattr(header, key, value)
    return header, content


def archive_of(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for header, content in members:
            tar.addfile(header, io.BytesIO(content))
    return path


HOSTILE = {
    "out of the folder": (member("dev/../../x.wav", b"x"), "leads out of its folder"),
    "absolute": (member("/tmp/x.wav", b"x"), "leads out of its folder"),
    "a link": (
        member("dev/11.wav", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "'dev/11.wav' is a link or the like",
    ),
    "a hard link": (
        member("dev/11.wav", type=tarfile.LNKTYPE, linkname="../../secret"),
        "'dev/11.wav' is a link or the like",
    ),
    "a device": (member("dev/11.wav", type=tarfile.CHRTYPE), "is a link or the like"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused_by_name(tmp_path, case, capsys):
    archive = packed(tmp_path / "f")
    bad, words = HOSTILE[case]
    archive_of(archive, member("dev/12.wav", b"RIFF"), bad)
    code = main(
        ["corpus", "import", "fleurs", str(tmp_path / "f"), "--tgt-lang", "zh", "--split", "dev"]
        + ["--out", str(tmp_path / "out")]
    )
    out, err = capsys.readouterr()
    assert (code, out) == (DataError.exit_code, "")
    assert words in err
    assert f"{archive}: " in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "out").rglob("*.partial"))
    assert not (tmp_path / "out" / "cuts.jsonl").exists()


def test_a_recording_twice_is_named(tmp_path):
    archive = packed(tmp_path / "f")
    archive_of(archive, member("dev/11.wav", b"a"), member("11.wav", b"b"))
    with pytest.raises(DataError, match=r"dev\.tar\.gz: '11\.wav' is there twice"):
        imported("fleurs", tmp_path / "f", tgt="zh")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MAX_MEMBER_BYTES", 1000, r"'dev/11\.wav' has 19244 bytes; .*1000 at most"),
        ("MAX_ARCHIVE_BYTES", 4096, r"dev\.tar\.gz unpacks to more than 4096 bytes"),
        ("MAX_MEMBERS", 2, r"dev\.tar\.gz has more than 2 members"),
        ("MAX_HEADER_BYTES", 100, r"a header of \d+ bytes, at most 100 are legal"),
    ],
)
def test_archives_are_bounded(tmp_path, monkeypatch, name, value, words):
    archive = packed(tmp_path / "f")
    if name == "MAX_HEADER_BYTES":
        archive_of(archive, member("a" * 300))
    monkeypatch.setattr(archives, name, value)
    with pytest.raises(DataError, match=words):
        imported("fleurs", tmp_path / "f", tgt="zh")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda raw: b"", r"dev\.tar\.gz: not a whole tar\.gz \(empty file\)"),
        (lambda raw: b"PK not gzip", r"not a whole tar\.gz \(Not a gzipped file"),
        (lambda raw: raw[: len(raw) // 2], r"not a whole tar\.gz at 'dev/11\.wav' \(.*fetch it"),
        (lambda raw: gzip.compress(b"no tar" * 400), r"not a whole tar\.gz \("),
    ],
)
def test_a_broken_archive_is_named(tmp_path, break_it, words):
    archive = packed(tmp_path / "f")
    archive.write_bytes(break_it(archive.read_bytes()))
    with pytest.raises(DataError, match=words):
        imported("fleurs", tmp_path / "f", tgt="zh")


def test_a_damaged_header_is_not_the_end(tmp_path):
    """tarfile stops there without a word, and the rest would be missing."""
    archive = packed(tmp_path / "f", folder="")
    raw = bytearray(gzip.decompress(archive.read_bytes()))
    second = raw.index(b"12.wav")
    raw[second] = ord("9")
    archive.write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(DataError, match=r"not a whole tar\.gz after '11\.wav' \(bad checksum\)"):
        imported("fleurs", tmp_path / "f", tgt="zh")


def test_very_many_long_names_are_an_error(tmp_path):
    """Each header of a long name has the next one read inside it."""
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 2
    block = long_name.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")
    archive = packed(tmp_path / "f")
    archive.write_bytes(gzip.compress(block * 3000))
    with pytest.raises(DataError, match=r"not a whole tar\.gz \(maximum recursion"):
        imported("fleurs", tmp_path / "f", tgt="zh")


@pytest.fixture(scope="module")
def tar_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("tar") / "a.tar.gz"
    archive_of(path, member("dev/11.wav", b"a" * 700), member("b" * 120), member("12.wav", b"b"))
    return gzip.decompress(path.read_bytes())


@SCRATCH
@given(data=st.data())
def test_any_bytes_are_unpacked_or_refused(tmp_path, tar_bytes, data):
    raw = bytearray(tar_bytes)
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    archive = tmp_path / "dev.tar.gz"
    archive.write_bytes(gzip.compress(bytes(raw[:cut])))
    names = ("11.wav", "12.wav")
    takes = [Take(n[:2], archive, (), "here", Packed(archive, "dev", n, "dev")) for n in names]
    out = tmp_path / "out"
    refused = refusal(takes, out)
    assert refused is None or str(archive) in refused
    there = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert there <= {"dev.tar.gz", *names}
    for path in out.rglob("*.wav"):
        path.unlink()


def refusal(takes, out):
    try:
        unpacked(takes, out)
    except DataError as error:
        return str(error)
    return None
