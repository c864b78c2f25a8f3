// The operator's page: every room, how far behind each language is; pause, rename, end.
import { showCode } from "./code.js";
import { look, tokenField } from "./look.js";
import { languageName } from "./text.js";

const $ = (id) => document.getElementById(id);
const POLL_MS = 1000, LATE_S = 4;
const names = { waiting: "Waiting", live: "Live", paused: "Paused", ended: "Ended" };
const cards = new Map();

async function call(path, body) {
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  const answer = await fetch(path, body ? { method: "POST", body: JSON.stringify(body), headers } : { headers });
  const value = await answer.json();
  if (!answer.ok) throw new Error(answer.status === 401 ? "A token is needed" : value.error);
  return value;
}

async function command(name, body) {
  try {
    show(await call(`v1/rooms/${encodeURIComponent(name)}`, body));
    state("Connected", false);
  } catch (error) { state(error.message, true); }
}

function state(text, bad) {
  $("state").textContent = text;
  document.body.dataset.state = bad ? "trouble" : "live";
}

function card(name) {
  if (!cards.has(name)) {
    const element = $("room-card").content.firstElementChild.cloneNode(true);
    const find = (which) => element.querySelector(which);
    find(".title").onchange = (event) => command(name, { action: "rename", title: event.target.value });
    find(".pause").onclick = () => command(name, { action: element.dataset.state === "paused" ? "resume" : "pause" });
    find(".end").onclick = () => {
      if (find(".end").textContent === "End") { find(".end").textContent = "Really end?"; return; }
      command(name, { action: "end" });
    };
    find(".end").onblur = () => { find(".end").textContent = "End"; };
    find(".show-code").onclick = async () => {
      await showCode($("code"), "", name);
      $("code-title").textContent = find(".title").value;
      $("code-link").textContent = find(".audience").href;
      $("code-dialog").showModal();
    };
    $("rooms").append(element);
    cards.set(name, element);
  }
  return cards.get(name);
}

function show(room) {
  const element = card(room.name);
  const find = (which) => element.querySelector(which);
  element.dataset.state = room.state;
  element.setAttribute("aria-label", room.title);
  if (document.activeElement !== find(".title")) find(".title").value = room.title;
  find(".state").textContent = names[room.state];
  find(".pause").textContent = room.state === "paused" ? "Resume" : "Pause";
  find(".pause").disabled = find(".end").disabled = room.state === "ended";
  find("tbody").replaceChildren(...room.channels.map((channel) => row(channel)));
  const speaker = room.state === "waiting" ? "no speaker"
    : room.connected ? `speaking for ${clock(room.heard_s)}` : "the speaker's connection is broken";
  find(".summary").textContent = `${room.name} · ${room.state === "ended" ? "ended" : speaker} · ${room.viewers} ${room.viewers === 1 ? "reader" : "readers"}`;
  find(".audience").href = room.url;
  find(".overlay").href = `overlay/${encodeURIComponent(room.name)}`;
}

function row(channel) {
  const cells = [languageName(channel.language, "en") + (channel.role === "transcript" ? " (spoken)" : ""),
    channel.failed ? "failed" : `${channel.lag_s.toFixed(1)} s`, channel.captions, channel.viewers];
  const line = document.createElement("tr");
  line.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  line.children[1].classList.toggle("late", channel.failed || channel.lag_s > LATE_S);
  return line;
}

function clock(seconds) {
  const pad = (value) => String(Math.floor(value)).padStart(2, "0");
  return `${pad(seconds / 3600)}:${pad(seconds / 60 % 60)}:${pad(seconds % 60)}`;
}

async function poll() {
  try {
    const rooms = await call("v1/rooms");
    for (const [name, element] of cards) {
      if (!rooms.some((room) => room.name === name)) { element.remove(); cards.delete(name); }
    }
    rooms.forEach(show);
    $("none").hidden = rooms.length > 0;
    state("Connected", false);
  } catch (error) {
    state(error instanceof TypeError ? "The server cannot be reached" : error.message, true);
  }
}

const about = await (await fetch("v1/about")).json();
const token = tokenField(about.token);
look();
$("open").onsubmit = (event) => {
  event.preventDefault();
  command($("name").value, { action: "open" });
  $("none").hidden = true;
};
await poll();
setInterval(poll, POLL_MS);
document.body.dataset.page = "ready";
