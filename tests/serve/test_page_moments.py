"""The caption page at rare moments: keys while it waits, trouble that passes, the last words."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "earvoice/serve/web"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


def node(script, *files):
    """What a script prints, each line read as JSON."""
    command = ["node", "--input-type=module", "-e", script, *((WEB / f).as_uri() for f in files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# ------------------------------------------------------------------ starting and ending

PAGE = """
const elements = {};
const element = (id) => elements[id] ??= {
  id, value: "", textContent: "", files: [{ arrayBuffer: async () => null }], dataset: {},
  options: [], children: [], childElementCount: 0,
  style: { setProperty() {} }, classList: { toggle() {}, contains() {} },
  querySelectorAll: () => [], querySelector: () => null, setAttribute() {}, append() {},
  replaceChildren() {}, insertBefore() {}, remove() {}, reportValidity: () => true,
};
let keydown, player, grants = [], tracks = [], contexts = [], lines = [], ports = [], deaf = false;
globalThis.document = {
  getElementById: element, body: element("body"), documentElement: element("html"),
  querySelectorAll: () => [], createElement: () => element(Math.random()),
  addEventListener(kind, act) { if (kind === "keydown") keydown = act; },
};
globalThis.location = { origin: "http://x", href: "http://x/", hash: "" };
globalThis.localStorage = { getItem: () => null, setItem() {} };
globalThis.setInterval = () => 0;
globalThis.Option = class {};
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor() { Object.assign(this, { readyState: 1, sent: [] }); lines.push(this); }
  send(data) {
    if (typeof data !== "string") this.sent.push(data.byteLength / 2 - 4);
    else if (data.includes("finish")) this.sent.push("finish");
  }
  close() { this.readyState = 3; }
};
const model = { src_langs: ["en"], tgt_langs: ["de"], glossary: "none" };
const about = { token: false, models: [model] };
globalThis.fetch = async () => ({ ok: true, json: async () => about });
globalThis.AudioContext = class {
  constructor() { contexts.push(this); this.audioWorklet = { addModule: async () => {} }; }
  sampleRate = 16000;
  decodeAudioData = async () => ({});
  createMediaStreamSource() { return { connect() {} }; }
  close() { this.closed = true; }
};
globalThis.AudioBufferSourceNode = class {
  constructor() { player = this; }
  connect() {}
  start() {}
};
globalThis.AudioWorkletNode = class {
  constructor() {
    this.port = { postMessage: (data) => {
      if (data === "flush" && !deaf) setTimeout(() => this.last());
    } };
    ports.push(this.port);
  }
  last() {
    this.port.onmessage({ data: new ArrayBuffer(100) });
    this.port.onmessage({ data: "done" });
  }
};
const asked = () => new Promise((grant, refuse) => grants.push({ grant, refuse })).then(() => {
  const track = { stop() { this.stopped = true; } };
  tracks.push(track);
  return { getAudioTracks: () => [track], getTracks: () => [track] };
});
Object.defineProperty(globalThis, "navigator", {
  value: { mediaDevices: { enumerateDevices: async () => [], getUserMedia: asked } },
});
element("source").value = "SOURCE";
element("src").value = "en";
element("tgt").value = "de";
await import(process.argv[1]);
const target = { closest: () => null };
const press = (key) => keydown({ key, target, preventDefault() {} });
const wait = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));
const hears = () => tracks.filter((track) => !track.stopped).length;
const open = () => [lines.length, hears(), contexts.filter((context) => !context.closed).length];
const started = () => {
  lines[0].onopen();
  lines[0].onmessage({ data: JSON.stringify({ type: "started", session: "s", token: "t" }) });
};
const print = (value) => console.log(JSON.stringify(value));
"""


def page(script, source="mic"):
    return node(PAGE.replace("SOURCE", source) + script, "app.js")


def test_start_pressed_twice_while_the_page_asks_for_the_microphone_opens_one_session():
    script = """
press("s"); press("s"); await wait();
grants.forEach(({ grant }) => grant()); await wait();
print(open());
press("e"); await wait(700);
print(open());
press("s"); await wait();  // the first session is not over
print(open());
"""
    assert page(script) == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_end_pressed_while_the_page_asks_for_the_microphone_leaves_nothing_open():
    script = """
press("s"); await wait();
press("e"); await wait();
print([element("state").textContent, element("start").disabled]);
grants[0].grant(); await wait();
print(open());
press("s"); await wait();
grants[1].grant(); await wait();
print(open());
"""
    assert page(script) == [["Ready", False], [0, 0, 0], [1, 1, 1]]


def test_a_refusal_that_comes_after_end_says_nothing_about_the_next_start():
    script = """
press("s"); await wait();
press("e"); press("s"); await wait();
grants[0].refuse(new Error("too late")); await wait();
print([element("start").disabled, element("state").textContent]);
grants[1].grant(); await wait();
print(open());
press("e"); await wait(700);
"""
    assert page(script) == [[True, "Ready"], [1, 1, 1]]


def test_a_refused_microphone_can_be_asked_for_again():
    script = """
press("s"); await wait();
grants[0].refuse(new Error("none there")); await wait();
print([element("start").disabled, element("state").textContent]);
press("s"); await wait();
grants[1].grant(); await wait();
print(open());
"""
    assert page(script) == [[False, "No sound: none there"], [1, 1, 1]]


BEGUN = """
press("s"); await wait();
grants[0]?.grant(); await wait();
started();
ports[0].onmessage({ data: new ArrayBuffer(3200) });
"""


@pytest.mark.parametrize("source", ["mic", "file"])
def test_the_last_part_of_a_packet_is_sent_before_the_end(source):
    # Of a file, its own end; of a microphone, the key, and pressed twice.
    end = "player.onended();" if source == "file" else 'press("e"); press("e");'
    script = f"{BEGUN}{end} await wait(); print(lines[0].sent); print(open());"
    assert page(script, source) == [[1600, 50, "finish"], [1, 0, 0]]


def test_a_worklet_that_does_not_answer_does_not_hold_up_the_end():
    script = f'deaf = true;{BEGUN}press("e"); await wait(900); print(lines[0].sent);'
    assert page(script) == [[1600, "finish"]]


def test_a_pause_is_still_shown_after_trouble():
    script = f"""{BEGUN}
const say = (message) => lines[0].onmessage({{ data: JSON.stringify(message) }});
press("p");
say({{ type: "received", samples: 0, lag_s: 0, recovering: true }});
print(element("state").textContent);
say({{ type: "received", samples: 0, lag_s: 0, recovering: false }});
print(element("state").textContent);
"""
    assert page(script) == ["Recovering…", "Paused"]


WORKLET = """
let Packets, posted = [];
globalThis.sampleRate = 16000;
globalThis.AudioWorkletProcessor = class {
  port = { postMessage: (data) => posted.push(data === "done" ? data : data.byteLength / 2) };
};
globalThis.registerProcessor = (name, made) => { Packets = made; };
await import(process.argv[1]);
const packets = new Packets();
const hear = (blocks) => {
  for (let i = 0; i < blocks; i++) packets.process([[new Float32Array(128).fill(0.1)]]);
};
hear(30);
packets.process([[]]);  // the source is over
packets.port.onmessage({ data: "flush" });
hear(30);
console.log(JSON.stringify(posted));
"""


def test_the_worklet_hands_on_what_fills_no_packet():
    (posted,) = node(WORKLET, "worklet.js")
    assert posted == [1600, 1600, 640, "done"]
    assert sum(posted[:-1]) == 30 * 128


# ------------------------------------------------------------------ what the page says of itself

STREAM = """
globalThis.location = { origin: "http://x" };
globalThis.setInterval = () => 0;
const later = [], states = [];
globalThis.setTimeout = (next) => { later.push(next); };
let line, now_ms = 0;
performance.now = () => now_ms;
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor() { line = this; this.readyState = 1; }
  send() {}
  close() {}
};
const { Stream } = await import(process.argv[1]);
const state = (text, bad) => states.push(bad ? `${text}!` : text);
const stream = new Stream({ audio: { rate_hz: 16000 } }, "", { say() {}, state, lag() {} });
const say = (type, message) => line.onmessage({ data: JSON.stringify({ type, ...message }) });
const received = (recovering) => say("received", { samples: 0, lag_s: 0, recovering });
const refused = { code: "update_refused", message: "No terms", fatal: false };
line.onopen();
say("hello", {});
say("started", { session: "s", token: "t" });
"""


def states(script):
    return node(f"{STREAM}{script}\nconsole.log(JSON.stringify(states));", "stream.js")[0]


def test_recovering_is_shown_until_the_engine_is_back():
    script = "received(true); received(true); received(false); received(false);"
    assert states(script) == ["Listening", "Recovering…!", "Listening"]
    ended = "stream.end(); received(true); received(false);"
    assert states(ended) == ["Listening", "Finishing…", "Recovering…!", "Finishing…"]


def test_an_error_that_ends_nothing_is_there_to_be_read_and_gives_way():
    script = "say('error', refused); now_ms = 500; received(false);"
    assert states(script) == ["Listening", "No terms!"]
    for sign in ("received(false)", "say('pong', {})", "say('draft', {})"):
        assert states(f"{script} now_ms = 6000; {sign};") == ["Listening", "No terms!", "Listening"]
    broken = "say('error', refused); line.onclose();"
    assert states(broken) == ["Listening", "No terms!", "Reconnecting…!"]


def test_a_line_that_comes_back_after_the_end_is_finishing():
    script = """
stream.end(); line.onclose(); later.shift()(); line.onopen();
say("resumed", { session: "s", token: "u", samples: 0, finishing: true });
"""
    assert states(script) == ["Listening", "Finishing…", "Reconnecting…!", "Finishing…"]


def test_that_the_server_shuts_down_is_shown_until_it_does():
    script = """
say("closing", { reason: "", in_s: 5 }); received(false);
line.onclose(); later.shift()(); line.onopen();
say("resumed", { session: "s", token: "u", samples: 0 });
"""
    closing = "The server shuts down soon!"
    assert states(script) == ["Listening", closing, "Reconnecting…!", "Listening"]


# ------------------------------------------------------------------ captions

COLUMN = """
class Text {
  constructor(data) { this.data = data; }
  get textContent() { return this.data; }
  remove() { this.parent.childNodes = this.parent.childNodes.filter((node) => node !== this); }
}
class Node extends Text {
  childNodes = [];
  className = "";
  get children() { return this.childNodes.filter((node) => node instanceof Node); }
  get childElementCount() { return this.children.length; }
  get firstElementChild() { return this.children[0]; }
  get textContent() { return this.childNodes.map((node) => node.textContent).join(""); }
  set textContent(text) { this.childNodes = []; if (text) this.append(new Text(text)); }
  querySelector(name) {
    return this.children.find((node) => node.className === name.slice(1)) ?? null;
  }
  append(...nodes) { nodes.forEach((node) => this.insertBefore(node, null)); }
  insertBefore(node, before) {
    if (node.parent) node.remove();
    node.parent = this;
    const at = before ? this.childNodes.indexOf(before) : this.childNodes.length;
    this.childNodes.splice(at, 0, node);
  }
  replaceChildren() { this.childNodes = []; }
  normalize() {
    const whole = this.childNodes.filter((node) => !(node instanceof Node));
    whole.slice(1).forEach((node) => { whole[0].data += node.data; node.remove(); });
  }
}
globalThis.document = { createElement: () => new Node() };
const { Column } = await import(process.argv[1]);
const shown = new Node();
const print = () => console.log(JSON.stringify(shown.children.map((node) => node.textContent)));
"""


def column(script):
    return node(COLUMN + script, "text.js")


def test_a_quiet_speaker_whose_paragraph_is_dropped_begins_another_one():
    script = """
const column = new Column(shown, { most: 3 });
column.commit("One", "QUIET");
column.setDraft(" tw", "QUIET");
for (let i = 0; i < 4; i++) { column.commit(`a${i}`, "OTHER"); column.end("OTHER"); }
print();
column.commit(" two.", "QUIET");
print();
column.commit(" Three.", "QUIET");
print();
"""
    dropped, *after = column(script)
    assert dropped == ["OTHER: a1", "OTHER: a2", "OTHER: a3"]
    assert after == [
        ["OTHER: a2", "OTHER: a3", "QUIET: two."],
        ["OTHER: a2", "OTHER: a3", "QUIET: two. Three."],
    ]


@pytest.mark.parametrize("word", [" word", " Word.", "字", "字。", "ab "])
def test_a_talk_without_boundaries_does_not_grow_the_page_without_end(word):
    script = f"""
const column = new Column(shown, {{ most: 10 }});
let most = 0;
const count = (node) => 1 + (node.childNodes ?? []).reduce((sum, child) => sum + count(child), 0);
for (let i = 0; i < 20000; i++) {{
  column.setDraft("{word}");
  column.commit("{word}");
  if (i % 50 === 0) most = Math.max(most, count(shown));
}}
console.log(JSON.stringify([shown.childElementCount, most]));
print();
"""
    (paragraphs, nodes), texts = column(script)
    assert paragraphs == 10
    assert nodes < 100
    assert all(500 < len(text) <= 1200 for text in texts[:-1])
    assert all(set(text) <= set(word) for text in texts)


def test_a_long_paragraph_ends_at_the_end_of_a_sentence():
    script = """
const column = new Column(shown), said = [];
for (let i = 0; i < 300; i++) said.push(` w${i}`, ...(i % 40 === 39 ? [".", " "] : []));
said.forEach((text) => { column.setDraft(`${text} and`); column.commit(text); });
print();
console.log(JSON.stringify(said.join("")));
"""
    texts, said = column(script)
    assert len(texts) > 1
    assert all(
        600 <= len(text.strip()) < 1000 and text.rstrip().endswith(".") for text in texts[:-1]
    )
    assert "".join(texts).split() == said.split()


def test_words_of_a_paragraph_become_one_text_and_the_newest_stand_alone():
    script = """
const column = new Column(shown);
for (const text of [" Good", "", " morning", ",", " all"]) column.commit(text);
column.setDraft(" of");
const [paragraph] = shown.children;
console.log(JSON.stringify(paragraph.children.map((node) => [node.className, node.textContent])));
console.log(JSON.stringify(paragraph.children[0].childNodes.length));
"""
    parts, texts = column(script)
    assert parts == [["said", "Good morning,"], ["said", " all"], ["draft", " of"]]
    assert texts == 1


# ------------------------------------------------------------------ the overlay

READER = """
globalThis.document = { addEventListener() {} };
globalThis.addEventListener = () => {};
globalThis.location = { href: "http://x/overlay/hall" };
globalThis.setInterval = () => 0;
globalThis.setTimeout = (next) => { later = next; };
let line, later;
const asked = [], read = [];
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor() { line = this; this.readyState = 1; }
  send(text) { asked.push(JSON.parse(text).after); }
};
const { RoomReader } = await import(process.argv[1]);
const captions = (list) => read.push(...list.map(({ text }) => text));
const told = { room() {}, captions, clear() {}, state() {} };
const reader = new RoomReader("hall", { ...told, fromEnd: true });
const say = (message) => line.onmessage({ data: JSON.stringify(message) });
const text = { role: "translation", language: "de" };
const room = { type: "room", history: "h", channels: [text] };
say(room);
reader.watch("translation", "de");
say({ type: "captions", ...text, after: 6, first: 7, captions: [{ text: "new" }], draft: "" });
line.onclose();
later();
say(room);
console.log(JSON.stringify([asked, read]));
"""


def test_an_overlay_begins_with_what_is_new_and_goes_on_where_it_was():
    ((asked, read),) = node(READER, "viewer.js")
    assert asked == [2**53 - 1, 7]
    assert read == ["new"]
