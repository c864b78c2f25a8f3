// Where a caption may be broken, and lines that never change once they are full.
export const NO_SPACES = /^(zh|ja|th|lo|km|my|yue)\b/;
const NEVER_FIRST = /^[\s.,:;!?%)\]}»”’…、。，．：；！？）］｝」』】〉》〕・ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ%‰°]/u;
const NEVER_LAST = /[(\[{«“‘¿¡（［｛「『【〈《〔]$/u;

// Pieces of a text that stay on one line each; together they are the text.
export function units(text, language) {
  const found = NO_SPACES.test(language)
    ? Array.from(new Intl.Segmenter(language, { granularity: "word" }).segment(text), (s) => s.segment)
    : text.match(/\s*\S+\s*/g) ?? [];
  const list = [];
  for (const piece of found) {
    const last = list.length - 1;
    if (last >= 0 && (NEVER_FIRST.test(piece) || NEVER_LAST.test(list[last]))) list[last] += piece;
    else list.push(piece);
  }
  return list;
}

// The newest lines of a text, each an element of its own: a line that is full stays as it is.
export class Lines {
  constructor(element, most) { Object.assign(this, { element, most }); }

  add(unit) {
    const line = this.element.lastElementChild ?? this.newLine();
    const before = line.full ?? "";
    this.put(line, before ? before + unit : unit.trimStart());
    if (!this.tooWide(line)) return;
    if (before) {
      this.put(line, before.trimEnd());
      this.put(this.newLine(), "");
      this.add(unit.trimStart());
      return;
    }
    this.breakInside(line, unit.trim());
  }

  // A word wider than the screen.
  breakInside(line, word) {
    this.put(line, "");
    let at = line;
    for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(word)) {
      const before = at.full;
      this.put(at, before + segment);
      if (before && this.tooWide(at)) {
        this.put(at, before);
        at = this.newLine();
        this.put(at, segment);
      }
    }
  }

  // A space at the end is known, but not shown.
  put(line, text) {
    line.full = text;
    line.firstChild.textContent = text.trimEnd();
  }

  tooWide(line) { return line.firstChild.getBoundingClientRect().width > this.element.clientWidth; }

  newLine() {
    const line = document.createElement("div");
    line.append(document.createElement("span"));
    this.element.append(line);
    while (this.element.childElementCount > this.most) this.element.firstElementChild.remove();
    return line;
  }

  clear() { this.element.replaceChildren(); }
}
