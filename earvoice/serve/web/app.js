// The speaker's page: choose what is heard, see transcript and translation grow, save them.
import { formats } from "./captions.js";
import { Stream } from "./stream.js";

const $ = (id) => document.getElementById(id);
const said = { commits: [], events: [] };
const columns = { translation: column($("translation")), transcript: column($("transcript")) };
let stream = null, sound = null, models = [];

// One text: paragraphs by sentence boundary, and a draft at the end. Only text nodes are made.
function column(element) {
  const state = { element, draft: document.createElement("span"), paragraph: null };
  state.draft.className = "draft";
  return state;
}

function paragraph(state) {
  if (!state.paragraph) {
    state.paragraph = document.createElement("p");
    state.paragraph.dir = "auto";
    state.paragraph.append(state.draft);
    state.element.append(state.paragraph);
  }
  return state.paragraph;
}

function say(message) {
  const { event } = message;
  if (message.type === "event") said.events.push(message);
  const state = columns[event.stream?.role];
  if (!state) return;
  const { element } = state;
  const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 80;
  element.lang = event.stream.language;
  if (event.type === "commit") {
    const text = state.paragraph ? event.text : event.text.trimStart();
    paragraph(state).insertBefore(document.createTextNode(text), state.draft);
    state.draft.textContent = "";
    if (event.stream.role === "translation") {
      said.commits.push({ text: event.text, span: event.span, heard_s: message.heard_s });
    }
  } else if (event.type === "draft") {
    paragraph(state);
    state.draft.textContent = event.text;
  } else if (event.type === "boundary" && event.kind !== "chunk") {
    state.draft.textContent = "";
    state.paragraph = null;
  }
  if (element === $("transcript")) $("transcript-column").hidden = false;
  if (atEnd) element.scrollTop = element.scrollHeight;
}

function showState(text, bad, over = false) {
  $("state").textContent = text;
  $("state").classList.toggle("bad", bad);
  document.body.dataset.state = over ? "over" : bad ? "trouble" : "live";
  if (over) { stopSound(); buttons(false); stream = null; }
}

function showLag(seconds) {
  $("lag").value = seconds;
  $("lag-text").textContent = `${seconds.toFixed(1)} s`;
}

function buttons(running) {
  $("start").disabled = running;
  $("pause").disabled = $("stop").disabled = !running;
  $("pause").textContent = "Pause";
}

async function mediaOf(source) {
  if (source === "tab") {
    const media = await navigator.mediaDevices.getDisplayMedia({ audio: true, video: true });
    for (const track of media.getVideoTracks()) track.stop();
    return media;
  }
  const deviceId = $("device").value ? { exact: $("device").value } : undefined;
  return navigator.mediaDevices.getUserMedia({ audio: { deviceId, channelCount: 1 } });
}

function level(pcm) {
  let peak = 0;
  for (const value of new Int16Array(pcm)) peak = Math.max(peak, Math.abs(value));
  $("level-bar").style.transform = `scaleX(${peak / 32768})`;
}

async function startSound(source) {
  const context = new AudioContext({ sampleRate: 16000 });
  await context.audioWorklet.addModule("worklet.js");
  const node = new AudioWorkletNode(context, "packets");
  sound = { context, node, paused: false };
  if (source === "file") {
    const bytes = await $("file").files[0].arrayBuffer();
    sound.player = new AudioBufferSourceNode(context, {
      buffer: await context.decodeAudioData(bytes),
    });
    sound.player.connect(node);
    sound.player.connect(context.destination);
    // The last packet is on its way for one turn of the worklet.
    sound.player.onended = () => setTimeout(end, 300);
  } else {
    sound.media = await mediaOf(source);
    context.createMediaStreamSource(sound.media).connect(node);
    sound.media.getAudioTracks()[0].onended = end;
  }
  return context.sampleRate;
}

function stopSound() {
  if (!sound) return;
  for (const track of sound.media?.getTracks() ?? []) track.stop();
  sound.context.close();
  sound = null;
}

async function begin() {
  if (stream) return;
  const source = $("source").value;
  if (source === "file" && !$("file").files.length) { showState("Choose a file first", true); return; }
  buttons(true);
  clear();
  try {
    const rate_hz = await startSound(source);
    const start = {
      type: "start", version: 1, src_lang: $("src").value || null, tgt_lang: $("tgt").value || null,
      transcript: true, audio: { encoding: "s16le", rate_hz, channels: 1 },
    };
    stream = new Stream(start, $("token").value, { say, state: showState, lag: showLag });
    sound.node.port.onmessage = ({ data }) => { level(data); stream?.push(data); };
    sound.player?.start();
    listDevices();
  } catch (error) {
    showState(`No sound: ${error.message}`, true, true);
  }
}

function clear() {
  said.commits.length = said.events.length = 0;
  for (const state of Object.values(columns)) {
    state.element.replaceChildren();
    state.paragraph = null;
    state.draft.textContent = "";
  }
}

function pause() {
  if (!sound || !stream) return;
  sound.paused = !sound.paused;
  sound.node.port.postMessage(sound.paused ? "pause" : "go on");
  if (sound.player) sound.context[sound.paused ? "suspend" : "resume"]();
  $("pause").textContent = sound.paused ? "Resume" : "Pause";
  showState(sound.paused ? "Paused" : "Listening", false);
}

function end() {
  if (!stream) return;
  stopSound();
  buttons(true);
  $("pause").disabled = $("stop").disabled = true;
  showState("Finishing…", false);
  stream.end();
}

function save(kind) {
  const url = URL.createObjectURL(new Blob([formats[kind](said)], { type: "text/plain" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: `earvoice.${kind}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function listDevices() {
  const devices = await navigator.mediaDevices?.enumerateDevices() ?? [];
  const inputs = devices.filter((device) => device.kind === "audioinput" && device.label);
  const chosen = $("device").value;
  $("device").replaceChildren(new Option("Default", ""),
    ...inputs.map((device) => new Option(device.label, device.deviceId)));
  $("device").value = chosen;
}

function languages() {
  const name = new Intl.DisplayNames(["en"], { type: "language" });
  const options = (tags) => [...new Set(tags)].map((tag) => new Option(name.of(tag), tag));
  $("src").replaceChildren(...options(models.flatMap((model) => model.src_langs)));
  const fitting = () => models.filter((model) => model.src_langs.includes($("src").value));
  const targets = () => $("tgt").replaceChildren(...options(fitting().flatMap((m) => m.tgt_langs)));
  $("src").onchange = targets;
  targets();
}

function size(change) {
  if (change) $("size").value = Number($("size").value) + change;
  document.documentElement.style.setProperty("--size", `${$("size").value}rem`);
  localStorage.setItem("size", $("size").value);
}

function contrast(on) {
  document.documentElement.classList.toggle("contrast", on);
  $("contrast").setAttribute("aria-pressed", String(on));
  localStorage.setItem("contrast", on ? "1" : "");
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
  const keys = {
    s: begin, p: pause, e: end, "+": () => size(0.2), "-": () => size(-0.2),
    c: () => contrast(!document.documentElement.classList.contains("contrast")),
  };
  const action = keys[event.key.toLowerCase()];
  if (action) { event.preventDefault(); action(); }
}

$("controls").onsubmit = (event) => { event.preventDefault(); begin(); };
$("pause").onclick = pause;
$("stop").onclick = end;
$("size").oninput = () => size();
$("contrast").onclick = () => contrast(!document.documentElement.classList.contains("contrast"));
$("source").onchange = () => {
  $("file-label").hidden = $("source").value !== "file";
  $("device-label").hidden = $("source").value !== "mic";
};
for (const button of document.querySelectorAll("[data-save]")) {
  button.onclick = () => save(button.dataset.save);
}
document.addEventListener("keydown", key);
$("size").value = localStorage.getItem("size") || 1.5;
size();
contrast(Boolean(localStorage.getItem("contrast")));
// A token after # stays in the browser.
$("token").value = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
$("token-label").hidden = false;
$("transcript-column").hidden = true;
models = await (await fetch("v1/models")).json();
languages();
listDevices();
document.body.dataset.state = "ready";
