// The audience's page: one text of a room, large, from its beginning, in a language of one's own.
import { look } from "./look.js";
import { Column, languageName } from "./text.js";
import { RoomReader } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const name = decodeURIComponent(location.pathname.split("/").pop());
const asked = new URLSearchParams(location.search).get("lang");
const column = new Column($("text"));
const states = {
  waiting: ["Waiting", "The speaker has not begun yet"],
  live: ["Live", "The first words are on their way"],
  paused: ["Paused", "There is a pause"],
  ended: ["Ended", "This room has ended"],
};
let room = null, line = "waiting";

function show() {
  const [text, long] = room ? states[room.state] : ["Waiting", "The room is not open yet"];
  const broken = line === "broken" && room?.state !== "ended";
  $("state").textContent = broken ? "Reconnecting…" : text;
  document.body.dataset.state = broken ? "broken" : room?.state ?? "waiting";
  $("title").textContent = document.title = room?.title ?? name;
  $("waiting-title").textContent = room?.title ?? name;
  $("waiting-text").textContent = `${long}.`;
  $("waiting").hidden = Boolean($("text").childElementCount);
}

function showLanguages() {
  const keys = room.channels.map(({ role, language }) => `${role} ${language}`);
  const known = Array.from($("language").options, (option) => option.value);
  if (keys.join() === known.join()) return;
  const chosen = $("language").value;
  $("language").replaceChildren(...room.channels.map(({ role, language }, i) => {
    const option = new Option(languageName(language) + (role === "transcript" ? " (spoken)" : ""), keys[i]);
    option.lang = language;
    return option;
  }));
  const wishes = [chosen, `translation ${asked}`, `transcript ${asked}`, localStorage.getItem("language"),
    ...navigator.languages.flatMap((tag) => [`translation ${tag}`, `translation ${tag.split("-")[0]}`]), keys[0]];
  const wish = wishes.find((key) => keys.includes(key));
  if (!wish) return;
  $("language").value = wish;
  if (wish !== chosen) choose();
}

function choose() {
  const [role, language] = $("language").value.split(" ");
  column.setLanguage(language);
  reader.watch(role, language);
}

const reader = new RoomReader(name, {
  room(message) { room = message; showLanguages(); show(); },
  state(state) { line = state; show(); },
  clear() { column.clear(); },
  captions(list, draft) {
    for (const { text, ends } of list) {
      if (text) column.commit(text);
      if (ends) column.end();
    }
    column.setDraft(draft);
    show();
  },
});

// Telephones go dark while one reads; not here, as far as they allow.
async function stayAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  await navigator.wakeLock.request("screen").catch(() => {});
}

$("language").onchange = () => { localStorage.setItem("language", $("language").value); choose(); };
$("text").onscroll = () => { $("newest").hidden = column.atEnd; };
$("newest").onclick = () => column.toEnd();
const step = (change) => { $("size").value = Number($("size").value) + change; $("size").oninput(); };
$("smaller").onclick = () => step(-0.2);
$("larger").onclick = () => step(0.2);
look({ size: 1.7, keys: { l: () => $("language").focus(), end: () => column.toEnd() } });
document.addEventListener("visibilitychange", stayAwake);
addEventListener("resize", () => column.toEnd());
stayAwake();
show();
document.body.dataset.page = "ready";
