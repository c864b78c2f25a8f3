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

export class Column {
  constructor(element, { most = 2000 } = {}) {
    Object.assign(this, { element, most, paragraph: null });
    this.draft = document.createElement("span");
    this.draft.className = "draft";
  }

  setLanguage(tag) {
    if (this.element.lang === tag) return;
    this.element.lang = tag;
    this.element.dir = direction(tag);
  }

  commit(text) {
    this.keepingEnd(() => {
      const said = document.createElement("span");
      said.className = "said";
      said.textContent = this.paragraph ? text : text.trimStart();
      this.open().insertBefore(said, this.draft);
      this.draft.textContent = "";
    });
  }

  setDraft(text) {
    if (!text && !this.paragraph) return;
    this.keepingEnd(() => {
      this.open();
      this.draft.textContent = this.paragraph.firstChild === this.draft ? text.trimStart() : text;
    });
  }

  end() {
    this.draft.textContent = "";
    this.paragraph?.normalize();
    this.paragraph = null;
  }

  clear() {
    this.end();
    this.element.replaceChildren();
  }

  open() {
    if (!this.paragraph) {
      this.paragraph = document.createElement("p");
      this.paragraph.append(this.draft);
      this.element.append(this.paragraph);
      while (this.element.childElementCount > this.most) this.element.firstElementChild.remove();
    }
    return this.paragraph;
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
