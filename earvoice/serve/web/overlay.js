// A browser source for OBS: /overlay/NAME?lang=de&role=translation&size=48&lines=2&speed=17&hold=6
//   &ground=0.72&align=center. Words that will not change only, at the speed of reading.
import { Lines, units } from "./lines.js";
import { pause_ms, weight } from "./pace.js";
import { direction } from "./text.js";
import { RoomReader } from "./viewer.js";

const WORD_END_MS = 400;
const asked = new URLSearchParams(location.search);
const number = (key, usual, least, most) => {
  const value = Number.parseFloat(asked.get(key) ?? usual);
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : usual;
};
const element = document.getElementById("lines");
const lines = new Lines(element, number("lines", 2, 1, 6));
const perSecond = number("speed", 17, 1, 100), most_s = number("behind", 5, 0.5, 60);
const hold_ms = 1000 * number("hold", 6, 1, 600);
let waiting = "", language = asked.get("lang"), role = asked.get("role") ?? "translation";
let nextAt = 0, quietAt = Infinity, heardAt = 0, turn = false;

function tick() {
  const now = performance.now();
  if (waiting && now >= nextAt) {
    const list = units(waiting, language);
    // The last piece may be half a word.
    if (list.length > 1 || now - heardAt > WORD_END_MS) {
      const [unit] = list;
      waiting = waiting.slice(unit.length);
      if (element.classList.contains("quiet")) { lines.clear(); element.classList.remove("quiet"); }
      lines.add(unit);
      nextAt = now + pause_ms(unit, weight(waiting), { perSecond, most_s });
      quietAt = now + hold_ms;
    }
  }
  if (now > quietAt) { element.classList.add("quiet"); quietAt = Infinity; }
}

const reader = new RoomReader(decodeURIComponent(location.pathname.split("/").pop()), {
  fromEnd: true,
  state() {},
  room({ channels }) {
    const fits = channels.find((c) => c.role === role && (!language || c.language === language));
    if (!fits || reader?.wish) return;
    language = fits.language;
    element.lang = language;
    element.dir = direction(language);
    queueMicrotask(() => reader.watch(role, language));
  },
  clear() { waiting = ""; lines.clear(); },
  captions(list) {
    for (const { text, ends } of list) {
      if (turn && text) waiting += " ";
      turn = Boolean(ends);
      waiting += text ?? "";
    }
    heardAt = performance.now();
  },
});

const root = document.documentElement.style;
root.setProperty("--size", `${number("size", 48, 8, 400)}px`);
root.setProperty("--ground", String(number("ground", 0.72, 0, 1)));
element.classList.toggle("start", asked.get("align") === "start");
setInterval(tick, 30);
document.body.dataset.page = "ready";
