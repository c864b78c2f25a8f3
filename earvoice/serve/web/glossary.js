// The terms of a talk: as they are said and as they are to be written. Every change is told at once.
const WAIT_MS = 400;

export class Glossary {
  // changed: called with all terms, as the protocol has them.
  constructor(list, changed) {
    Object.assign(this, { list, changed });
    for (const term of JSON.parse(localStorage.getItem("glossary") ?? "[]")) this.row(term);
  }

  get terms() {
    return Array.from(this.list.children, (row) => {
      const [source, target] = Array.from(row.querySelectorAll("input"), (input) => input.value.trim());
      return { source, target };
    }).filter((term) => term.source);
  }

  add() { this.row({ source: "", target: "" }).querySelector("input").focus(); }

  row({ source, target }) {
    const row = document.createElement("div");
    const field = (value, label) => {
      const input = Object.assign(document.createElement("input"), { value, maxLength: 80, placeholder: label });
      input.setAttribute("aria-label", label);
      input.oninput = () => this.soon();
      input.onchange = () => this.tell();
      input.onkeydown = (event) => { if (event.key === "Enter") { this.tell(); this.add(); } };
      return input;
    };
    const arrow = Object.assign(document.createElement("span"), { textContent: "→" });
    arrow.setAttribute("aria-hidden", "true");
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "✕", className: "quiet" });
    remove.setAttribute("aria-label", `Remove ${source}`);
    remove.onclick = () => { row.remove(); this.tell(); };
    row.append(field(source, "said"), arrow, field(target, "written"), remove);
    this.list.append(row);
    return row;
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), WAIT_MS);
  }

  tell() {
    clearTimeout(this.timer);
    const terms = this.terms, now = JSON.stringify(terms);
    if (now === this.told) return;
    this.told = now;
    localStorage.setItem("glossary", now);
    this.changed(terms);
  }
}
