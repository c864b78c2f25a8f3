// Text size, contrast and keys, the same on every page; remembered by the browser.
const $ = (id) => document.getElementById(id);
const root = document.documentElement;

export function look({ size = 1.5, keys = {} } = {}) {
  const slider = $("size");
  const setSize = (value) => {
    slider.value = value;
    root.style.setProperty("--size", `${slider.value}rem`);
    localStorage.setItem("size", slider.value);
  };
  const setContrast = (on) => {
    root.classList.toggle("contrast", on);
    $("contrast").setAttribute("aria-pressed", String(on));
    localStorage.setItem("contrast", on ? "1" : "");
  };
  const all = {
    "+": () => setSize(Number(slider.value) + 0.2),
    "-": () => setSize(Number(slider.value) - 0.2),
    c: () => setContrast(!root.classList.contains("contrast")),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
    ...keys,
  };
  slider.oninput = () => setSize(slider.value);
  $("contrast").onclick = all.c;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=range]), select, textarea, dialog")) return;
    const action = all[event.key.toLowerCase()];
    if (action) { event.preventDefault(); action(); }
  });
  setSize(localStorage.getItem("size") || size);
  setContrast(Boolean(localStorage.getItem("contrast")));
}

// A token after # stays in the browser; a page that is asked for one shows a field.
export function tokenField(asks) {
  const token = $("token");
  token.value = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  $("token-label").hidden = !asks || token.value !== "";
  return () => token.value;
}
