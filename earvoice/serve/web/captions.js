// What was said, as files: subtitles of at most 7 s and 84 letters, plain text, events.
const MAX_S = 7, MAX_LETTERS = 84, PAUSE_S = 2;

export function cues(commits) {
  const list = [];
  for (const { text, span, heard_s } of commits) {
    const [from, to] = span ?? [Math.max(0, heard_s - 1), heard_s];
    const last = list[list.length - 1];
    const fits = last && !/[.?!。？！]["”’)]*\s*$/.test(last.text) && to - last.from <= MAX_S
      && last.text.length + text.length <= MAX_LETTERS && from - last.to < PAUSE_S;
    if (fits) { last.text += text; last.to = Math.max(last.to, to); }
    else list.push({ from: Math.max(from, last ? last.to : 0), to, text });
  }
  for (const cue of list) cue.to = Math.max(cue.to, cue.from + 1);
  for (let i = 1; i < list.length; i++) list[i].from = Math.max(list[i].from, list[i - 1].to);
  for (const cue of list) cue.to = Math.max(cue.to, cue.from + 1);
  return list.map((cue) => ({ ...cue, text: cue.text.trim() })).filter((cue) => cue.text);
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
  txt: (said) => said.commits.map((commit) => commit.text).join("") + "\n",
  jsonl: (said) => said.events.map((event) => JSON.stringify(event) + "\n").join(""),
};
