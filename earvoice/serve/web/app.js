// The speaker's page: choose what is heard, see transcript and translation grow, save them, let a
// room read along, teach it terms.
import { formats } from "./captions.js";
import { showCode } from "./code.js";
import { Glossary } from "./glossary.js";
import { look, tokenField } from "./look.js";
import { openSound } from "./sound.js";
import { Stream } from "./stream.js";
import { Column, languageName } from "./text.js";

const $ = (id) => document.getElementById(id);
const said = { commits: [], events: [] };
const columns = { translation: new Column($("translation")), transcript: new Column($("transcript")) };
let stream = null, sound = null;
let starting = null;  // the start that waits for its sound, if there is one

function say(message) {
  const { event } = message;
  if (message.type === "event") said.events.push(message);
  const column = columns[event.stream?.role];
  if (!column) return;
  if (event.stream.role === "transcript") $("transcript-column").hidden = false;
  const { language, role } = event.stream, speaker = event.stream.speaker ?? "";
  column.setLanguage(language);
  if (event.type === "commit") {
    column.commit(event.text, speaker, language);
    if (role === "translation") {
      said.commits.push({ text: event.text, span: event.span, heard_s: message.heard_s, language, speaker });
    }
  } else if (event.type === "draft") column.setDraft(event.text, speaker, language);
  else if (event.type === "boundary" && event.kind !== "chunk") column.end(speaker);
}

function showState(text, bad, over = false) {
  $("state").textContent = text;
  document.body.dataset.state = over ? "over" : bad ? "trouble" : "live";
  if (over) { stopSound(); stream = null; buttons(false); }
}

function showLag(seconds) {
  $("lag").setAttribute("aria-valuenow", seconds.toFixed(1));
  $("lag").classList.toggle("late", seconds > 4);
  $("lag-bar").style.transform = `scaleX(${Math.min(1, seconds / 8)})`;
  $("lag-text").textContent = `${seconds.toFixed(1)} s`;
}

function showLevel(pcm) {
  let peak = 0;
  for (const value of new Int16Array(pcm)) peak = Math.max(peak, Math.abs(value));
  $("level-bar").style.transform = `scaleX(${Math.sqrt(peak / 32768)})`;
}

function buttons(running) {
  $("start").disabled = running;
  $("pause").disabled = $("stop").disabled = !running;
  $("pause").textContent = "Pause";
  for (const id of ["source", "device", "file", "src", "tgt", "token", "open-room", "room"]) $(id).disabled = running;
  for (const box of $("more").querySelectorAll("input")) box.disabled = running;
}

function wanted(rate_hz) {
  const model = chosenModel();
  const start = {
    type: "start", version: 1, src_lang: $("src").value || null, tgt_lang: $("tgt").value || null,
    transcript: true, audio: { encoding: "s16le", rate_hz, channels: 1 },
  };
  if (glossary.terms.length && model?.glossary !== "none") start.glossary = glossary.terms;
  if ($("open-room").checked) {
    start.room = $("room").value;
    start.more_tgt_langs = Array.from($("more").querySelectorAll("input:checked"), (box) => box.value);
  }
  return start;
}

async function begin() {
  if (stream || sound || starting) return;
  const source = $("source").value;
  if (source === "file" && !$("file").files.length) { showState("Choose a file first", true); return; }
  if ($("open-room").checked && !$("room").reportValidity()) return;
  const mine = starting = {};
  buttons(true);
  clear();
  try {
    const opened = await openSound(source, { device: $("device").value, file: $("file").files[0], ended: end });
    if (starting !== mine) { opened.stop(); return; }  // it was ended while it waited
    sound = opened;
    const speech = stream = new Stream(wanted(sound.rate_hz), token(), { say, state: showState, lag: showLag });
    sound.start((pcm) => { showLevel(pcm); speech.push(pcm); });
    listDevices();
    showRoom();
  } catch (error) {
    if (starting === mine) showState(error.message, true, true);
  } finally {
    if (starting === mine) starting = null;
  }
}

function stopSound() {
  sound?.stop();
  sound = null;
  $("level-bar").style.transform = "";
}

function clear() {
  said.commits.length = said.events.length = 0;
  for (const column of Object.values(columns)) column.clear();
}

function pause() {
  if (!sound || !stream) return;
  const paused = sound.pause();
  $("pause").textContent = paused ? "Resume" : "Pause";
  stream.usually(paused ? "Paused" : "Listening");
}

async function end() {
  if (starting) {
    starting = null;
    showState("Ready", false, true);
    return;
  }
  if (!sound || !stream) return;
  const heard = sound, speech = stream;
  sound = null;  // so that nobody ends or pauses it again
  buttons(true);
  $("pause").disabled = $("stop").disabled = true;
  speech.usually("Finishing…");
  await heard.flush();
  heard.stop();
  $("level-bar").style.transform = "";
  speech.end();
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

// Languages, and what the chosen model can do.

const options = (tags) => [...new Set(tags)].map((tag) => new Option(languageName(tag, "en"), tag));
const targets = ({ directions, src_langs, tgt_langs }, src) => directions?.length
  ? directions.filter(([from]) => from === src).map(([, into]) => into)
  : src_langs.includes(src) ? tgt_langs : [];
const chosenModel = () =>
  about.models.find((model) => targets(model, $("src").value).includes($("tgt").value));

function showTargets() {
  $("tgt").replaceChildren(...options(about.models.flatMap((model) => targets(model, $("src").value))));
  showFurther();
}

function showFurther() {
  const others = [...$("tgt").options].filter((option) => option.value !== $("tgt").value);
  $("more").replaceChildren(...others.map(({ value, text }) => {
    const label = document.createElement("label");
    label.append(Object.assign(document.createElement("input"), { type: "checkbox", value }), text);
    return label;
  }));
  $("more").hidden = !others.length;
  $("glossary-note").textContent = {
    live: "Terms act on the next words.",
    start: "This model takes its terms at the start: changes act from the next Start on.",
    none: "The model for these languages takes no terms. They are kept for those that do.",
  }[chosenModel()?.glossary ?? "none"];
}

// The room.

function showRoom() {
  const open = $("open-room").checked;
  $("room-fields").hidden = !open;
  const link = new URL(`room/${encodeURIComponent($("room").value)}`, location.href.split("#")[0]).href;
  $("room-link").textContent = $("room-link").href = link;
  $("overlay-link").href = `overlay/${encodeURIComponent($("room").value)}?lang=${$("tgt").value}`;
  $("operator-link").href = `operator${location.hash}`;
  if (open) countViewers();
}

async function countViewers() {
  if (!stream) { $("viewers").textContent = ""; return; }
  const answer = await fetch("v1/rooms", { headers: token() ? { authorization: `Bearer ${token()}` } : {} });
  if (!answer.ok) return;
  const room = (await answer.json()).find(({ name }) => name === $("room").value);
  if (!room) return;
  $("room-link").textContent = $("room-link").href = room.url;
  $("viewers").textContent = `${room.viewers} reading now.`;
}

async function showLarge() {
  if (!$("open-room").checked || !$("room").reportValidity()) return;
  await showCode($("code"), "", $("room").value);
  $("code-link").textContent = $("room-link").textContent;
  if (!$("code-dialog").open) $("code-dialog").showModal();
}

$("controls").onsubmit = (event) => { event.preventDefault(); begin(); };
$("pause").onclick = pause;
$("stop").onclick = end;
$("src").onchange = showTargets;
$("tgt").onchange = () => { showFurther(); showRoom(); };
$("open-room").onchange = $("room").oninput = showRoom;
$("show-code").onclick = showLarge;
$("source").onchange = () => {
  $("file-label").hidden = $("source").value !== "file";
  $("device-label").hidden = $("source").value !== "mic";
};
for (const button of document.querySelectorAll("[data-save]")) {
  button.onclick = () => save(button.dataset.save);
}

const about = await (await fetch("v1/about")).json();
const token = tokenField(about.token);
const glossary = new Glossary($("terms"), (terms) => {
  if (stream && chosenModel()?.glossary === "live") stream.update({ glossary: terms });
});
$("add-term").onclick = () => glossary.add();
look({ keys: { s: begin, p: pause, e: end, g: () => glossary.add(), q: showLarge } });
$("transcript-column").hidden = true;
$("room").value = `talk-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
$("src").replaceChildren(...options(about.models.flatMap((model) => model.src_langs)));
showTargets();
showRoom();
listDevices();
setInterval(() => { if ($("open-room").checked) countViewers().catch(() => {}); }, 3000);
document.body.dataset.state = "ready";
