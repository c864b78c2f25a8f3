// Captions as text on a page: paragraphs by sentence, a draft at the end, the way a language is
// written. Only text nodes are made, so nothing a model says is ever run.
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur", "ps", "yi", "sd", "ug", "dv", "ckb"]);

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

// Of several people, each has a paragraph of its own that grows, named at its beginning.
export class Column {
  constructor(element, { most = 2000 } = {}) {
    Object.assign(this, { element, most, voices: new Map() });
  }

  voice(speaker) {
    if (!this.voices.has(speaker)) {
      const draft = document.createElement("span");
      draft.className = "draft";
      this.voices.set(speaker, { speaker, draft, paragraph: null });
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
      const said = document.createElement("span");
      said.className = "said";
      const paragraph = this.open(voice, language);
      said.textContent = paragraph.querySelector(".said") ? text : text.trimStart();
      paragraph.insertBefore(said, voice.draft);
      voice.draft.textContent = "";
    });
  }

  setDraft(text, speaker = "", language = "") {
    const voice = this.voice(speaker);
    if (!text && !voice.paragraph) return;
    this.keepingEnd(() => {
      const begins = !this.open(voice, language).querySelector(".said");
      voice.draft.textContent = begins ? text.trimStart() : text;
    });
  }

  end(speaker = "") {
    const voice = this.voice(speaker);
    voice.draft.textContent = "";
    voice.paragraph?.normalize();
    voice.paragraph = null;
  }

  clear() {
    for (const speaker of this.voices.keys()) this.end(speaker);
    this.element.replaceChildren();
  }

  open(voice, language) {
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
      while (this.element.childElementCount > this.most) this.element.firstElementChild.remove();
    }
    return voice.paragraph;
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
