// Captions as text on a page: paragraphs by sentence, a draft at the end, the way a language is
// written. Only text nodes are made, so nothing a model says is ever run.
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur", "ps", "yi", "sd", "ug", "dv", "ckb"]);
// A paragraph ends at a sentence's end from LONG letters on, between words from LONGER, and at MOST.
const LONG = 600, LONGER = 1000, MOST = 1200;
const CLOSED = /[.?!…؟۔।。？！]["'”’»)\]」』）]*\s*$/u, BETWEEN = /[\s。？！」』）]$/u;

export function direction(language) {
  return RIGHT_TO_LEFT.has(language.split("-")[0]) ? "rtl" : "ltr";
}

export function languageName(tag, shownIn) {
  try {
    return new Intl.DisplayNames([shownIn ?? tag], { type: "language" }).of(tag);
  } catch {
    return tag;
  }
}

// Of several people, each has a paragraph of its own that grows, named at its beginning. The newest
// words are an element of their own, for the page lights them up; those before become one text.
export class Column {
  constructor(element, { most = 2000 } = {}) {
    Object.assign(this, { element, most, voices: new Map() });
  }

  voice(speaker) {
    if (!this.voices.has(speaker)) {
      const draft = document.createElement("span");
      draft.className = "draft";
      this.voices.set(speaker, { speaker, draft, paragraph: null, said: [], last: "", letters: 0 });
    }
    return this.voices.get(speaker);
  }

  setLanguage(tag) {
    if (this.element.lang === tag) return;
    this.element.lang = tag;
    this.element.dir = direction(tag);
  }

  commit(text, speaker = "", language = "") {
    const voice = this.voice(speaker);
    this.keepingEnd(() => {
      const paragraph = this.open(voice, language, text);
      const newest = document.createElement("span");
      newest.className = "said";
      newest.textContent = voice.said.length ? text : text.trimStart();
      if (voice.said.length > 1) this.settle(voice);
      paragraph.insertBefore(newest, voice.draft);
      voice.said.push(newest);
      voice.last = (voice.last + text).slice(-9);
      voice.letters += text.length;
      voice.draft.textContent = "";
    });
  }

  // Moved, not written anew: a reader's selection stays.
  settle({ said }) {
    const newest = said.pop();
    said[0].append(...newest.childNodes);
    said[0].normalize();
    newest.remove();
  }

  setDraft(text, speaker = "", language = "") {
    const voice = this.voice(speaker);
    if (!text && !voice.paragraph) return;
    this.keepingEnd(() => {
      this.open(voice, language, text);
      voice.draft.textContent = voice.said.length ? text : text.trimStart();
    });
  }

  end(speaker = "") {
    const voice = this.voice(speaker);
    voice.draft.textContent = "";
    Object.assign(voice, { paragraph: null, said: [], last: "", letters: 0 });
  }

  clear() {
    for (const speaker of this.voices.keys()) this.end(speaker);
    this.element.replaceChildren();
  }

  // The paragraph that a text goes into.
  open(voice, language, text) {
    if (this.full(voice, text)) this.end(voice.speaker);
    if (!voice.paragraph) {
      voice.paragraph = document.createElement("p");
      if (voice.speaker) {  // people may speak different languages: the column's is the last one's
        const name = document.createElement("b");
        name.textContent = `${voice.speaker}: `;
        voice.paragraph.append(name);
        if (language) Object.assign(voice.paragraph, { lang: language, dir: direction(language) });
      }
      voice.paragraph.append(voice.draft);
      this.element.append(voice.paragraph);
      while (this.element.childElementCount > this.most) this.drop(this.element.firstElementChild);
    }
    return voice.paragraph;
  }

  // Whoever was quiet for so long that his paragraph is dropped begins another one.
  drop(paragraph) {
    for (const voice of this.voices.values()) {
      if (voice.paragraph === paragraph) this.end(voice.speaker);
    }
    paragraph.remove();
  }

  full({ letters, last }, text) {
    if (!text || letters < LONG) return false;
    const between = /^\s/.test(text) || BETWEEN.test(last);
    return letters >= MOST || (between && (letters >= LONGER || CLOSED.test(last)));
  }

  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < 96;
  }

  toEnd() { this.element.scrollTop = this.element.scrollHeight; }

  // Whoever has scrolled back to read is left there.
  keepingEnd(change) {
    const stay = this.atEnd;
    change();
    if (stay) this.toEnd();
  }
}
