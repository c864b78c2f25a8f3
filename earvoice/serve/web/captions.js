// What was said, as files: subtitles of at most 7 s and 84 letters, plain text, events.
import { NO_SPACES, units } from "./lines.js";

const MIN_S = 1, MAX_S = 7, MAX_LETTERS = 84, PAUSE_S = 2;
const CLOSED = /[.?!。？！]["”’)]*\s*$/;

// Words share the time of their commit by length; one may begin in a commit and go on in the next.
function words(commits) {
  const list = [];
  for (const { text, span, heard_s, language = "" } of commits) {
    const [from, to] = span ?? [Math.max(0, heard_s - 1), heard_s];
    const at = (letters) => from + ((to - from) * letters) / text.length;
    let done = 0;
    for (const piece of units(text, language)) {
      const word = { text: piece, from: at(done), to: at(done + piece.length) };
      const last = list[list.length - 1];
      const goesOn = last && !done && !NO_SPACES.test(language) && !/\s$/.test(last.text) && !/^\s/.test(piece);
      done += piece.length;
      if (goesOn) Object.assign(last, { text: last.text + piece, to: Math.max(last.to, word.to) });
      else list.push(word);
    }
  }
  return list;
}

// Of several people, each named in its cues; where they talk at once, those share the time.
export function cues(commits) {
  const people = new Set(commits.map(({ speaker }) => speaker ?? ""));
  return Array.from(people)
    .flatMap((name) => cuesOf(commits.filter(({ speaker }) => (speaker ?? "") === name))
      .map((cue) => (name ? { ...cue, text: `${name}: ${cue.text}` } : cue)))
    .sort((one, other) => one.from - other.from);
}

function cuesOf(commits) {
  const list = [];
  for (const word of words(commits)) {
    const last = list[list.length - 1];
    const fits = last && !(CLOSED.test(last.text) && last.to - last.from >= MIN_S)
      && word.to - last.from <= MAX_S && word.from - last.to < PAUSE_S
      && (last.text + word.text).trim().length <= MAX_LETTERS;
    if (fits) Object.assign(last, { text: last.text + word.text, to: Math.max(last.to, word.to) });
    else list.push({ ...word });
  }
  let free = 0;
  return list.map((cue) => ({ ...cue, text: cue.text.replace(/\s+/g, " ").trim() }))
    .filter((cue) => cue.text)
    .map(({ text, from, to }) => {
      const begin = Math.max(free, from);
      free = Math.max(begin + MIN_S, Math.min(to, begin + MAX_S));
      return { text, from: begin, to: free };
    });
}

function clock(seconds, comma) {
  const ms = Math.round(seconds * 1000);
  const pad = (value, size) => String(value).padStart(size, "0");
  return `${pad(Math.floor(ms / 3600000), 2)}:${pad(Math.floor(ms / 60000) % 60, 2)}:`
    + `${pad(Math.floor(ms / 1000) % 60, 2)}${comma}${pad(ms % 1000, 3)}`;
}

export const formats = {
  srt: (said) => cues(said.commits).map((cue, i) => `${i + 1}\n${clock(cue.from, ",")} --> `
    + `${clock(cue.to, ",")}\n${cue.text.replaceAll("-->", "→")}\n`).join("\n"),
  vtt: (said) => ["WEBVTT", ...cues(said.commits).map((cue) => `${clock(cue.from, ".")} --> `
    + `${clock(cue.to, ".")}\n${cue.text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")}`)].join("\n\n") + "\n",
  txt: (said) => said.commits.map(({ text, speaker = "" }, i) => {
    const goesOn = i > 0 && (said.commits[i - 1].speaker ?? "") === speaker;
    return !speaker || goesOn ? text : `${i ? "\n" : ""}${speaker}:${text}`;
  }).join("") + "\n",
  jsonl: (said) => said.events.map((event) => JSON.stringify(event) + "\n").join(""),
};
