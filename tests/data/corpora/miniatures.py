"""Corpora of a few seconds with the layout of the published ones, written into a folder."""

import json

import numpy as np
import soundfile

SENTENCES = (
    ("Good morning.", "Guten Morgen."),
    ("The train is late.", "Der Zug hat Verspätung."),
    ("Thank you.", "Danke."),
)


def noise(seconds, rate=16000, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    shape = (round(seconds * rate), channels) if channels > 1 else round(seconds * rate)
    return (rng.uniform(-0.3, 0.3, shape)).astype(np.float32)


def write_audio(path, seconds, rate=16000, channels=1, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"subtype": "PCM_16"} | options if path.suffix == ".wav" else options
    soundfile.write(path, noise(seconds, rate, channels, seed), rate, **options)
    return path


def write_text(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def lines(items, end="\n"):
    return "".join(item + end for item in items)


def must_c(root, split="dev", sentences=SENTENCES, rate=16000, channels=1):
    """One talk of 4 s with a sentence a second; `root`/en-de/data/SPLIT."""
    folder = root / "en-de" / "data" / split
    write_audio(folder / "wav" / "ted_1.wav", 4.0, rate, channels)
    entries = [
        f"- {{duration: 0.9, offset: {index}.05, rW: 3, uW: 0, speaker_id: spk.1, wav: ted_1.wav}}"
        for index in range(len(sentences))
    ]
    write_text(folder / "txt" / f"{split}.yaml", lines(entries))
    write_text(folder / "txt" / f"{split}.en", lines(source for source, _ in sentences))
    write_text(folder / "txt" / f"{split}.de", lines(target for _, target in sentences))
    return folder


def covost2(root, rows, tgt="de", made=True, split="test"):
    """rows: (path, sentence, translation, client); made: the joined table, or the two of it."""
    folder = root / "en"
    for path, *_ in rows:
        if path.endswith(".mp3"):
            write_audio(folder / "clips" / path, 0.6, 48000)
    if made:
        table = ["\t".join(("path", "sentence", "translation", "client_id"))]
        table += ["\t".join(row) for row in rows]
        write_text(folder / f"covost_v2.en_{tgt}.{split}.tsv", lines(table))
        return folder
    valid = ["client_id\tpath\tsentence\tup_votes"]
    valid += [f"{client}\t{path}\t{sentence}\t2" for path, sentence, _, client in rows]
    table = ["path\ttranslation\tsplit"]
    table += [f"{path}\t{text}\t{split}" for path, _, text, _ in rows]
    write_text(folder / "validated.tsv", lines(valid))
    write_text(folder / f"covost_v2.en_{tgt}.tsv", lines(table))
    return folder


def fleurs_row(number, file, text, samples=9600, gender="FEMALE"):
    return "\t".join((str(number), file, text, text.lower(), "t h |", str(samples), gender))


def fleurs(root, english, german, split="dev", folder="cmn_hans_cn"):
    """english, german: rows; the hub's layout."""
    data = root / "data"
    for row in english:
        write_audio(data / "en_us" / "audio" / split / row.split("\t")[1], 0.6)
    write_text(data / "en_us" / f"{split}.tsv", lines(english))
    write_text(data / folder / f"{split}.tsv", lines(german))
    return data


def acl_xml(language, talks, kind="refset"):
    """talks: texts by talk and seg id."""
    docs = "".join(
        f'<doc docid="{talk}" genre="talk">\n'
        + "".join(f'<seg id="{name}">{text}</seg>\n' for name, text in segs.items())
        + "</doc>\n"
        for talk, segs in talks.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<mteval>\n'
        f'<{kind} setid="ACL.6060.dev" srclang="en" trglang="{language}">\n{docs}'
        f"</{kind}>\n</mteval>\n"
    )


TALK = "2022.acl-long.110"


def acl6060(root, sentences=SENTENCES, split="dev", gold=True):
    """One talk of 4 s, and each sentence's own file cut from it: [0.5 s, 1.5 s), [1.2 s, ...)."""
    folder = root / "2" / "acl_6060" / split
    wav = write_audio(folder / "full_wavs" / f"{TALK}.wav", 4.0)
    samples, _ = soundfile.read(wav, dtype="int16")
    for number in range(1, len(sentences) + 1):
        start = 8000 + 11200 * (number - 1)
        if gold:
            path = folder / "segmented_wavs" / "gold" / f"sent_{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, samples[start : start + 16000], 16000, subtype="PCM_16")
    for language, side in (("en", 0), ("de", 1)):
        segs = {str(n): pair[side] for n, pair in enumerate(sentences, 1)}
        name = f"ACL.6060.{split}.en-xx.{language}.xml"
        write_text(folder / "text" / "xml" / name, acl_xml(language, {TALK: segs}))
    return folder


def mcif_xml(reference, transcript, audio="OiqEWDVtWk.wav", track="long", ident="4"):
    return f"""<?xml version='1.0' encoding='utf-8'?>
<testset name="MCIF" type="reference">
  <task track="{track}" text_lang="de">
    <sample id="1" iid="QA_1" task="QA"><audio_path>{audio}</audio_path>
      <reference>Ja.</reference></sample>
    <sample id="{ident}" iid="TRANS_0" task="TRANS"><audio_path>{audio}</audio_path>
      <reference>{reference}</reference>
      <metadata><transcript>{transcript}</transcript></metadata></sample>
  </task>
</testset>
"""


def segmentation(path, wav, count=3):
    return write_text(
        path,
        lines(
            f"- {{duration: 0.9, offset: {index}.05, speaker_id: '1', wav: {wav}}}"
            for index in range(count)
        ),
    )


def mcif(root, reference="Guten Morgen.\nDanke.\nTschüss.", transcript="Hello.\nThanks.\nBye."):
    write_audio(root / "MCIF_DATA" / "LONG_AUDIOS" / "OiqEWDVtWk.wav", 4.0)
    write_text(root / "MCIF1.0.long.de.ref.xml", mcif_xml(reference, transcript))
    segmentation(root / "mcif.yaml", "OiqEWDVtWk.wav")
    return root


def realsi(root, segments, vid="en2zh-01-tech", seconds=4.0, ending=".mp3"):
    folder = root / "data" / "en2zh"
    if ending:
        write_audio(folder / "audio" / f"{vid}{ending}", seconds, 44100)
    talk = {"vid": vid, "duration": round(seconds * 1000), "segment": segments}
    write_text(folder / "json" / f"{vid}.json", json.dumps(talk, ensure_ascii=False, indent=1))
    return folder


def realsi_segment(start_ms, end_ms, src="Load balancing.", trg="负载均衡。", terms=()):
    return {
        "start_time": start_ms,
        "end_time": end_ms,
        "src_text": src,
        "trg_text": trg,
        "utterance": [
            {
                "sub_start_time": start_ms,
                "sub_end_time": end_ms,
                "sub_src_text": src,
                "sub_trg_text": trg,
                "term": [{"src": s, "trg": t} for s, t in terms],
            }
        ],
    }
