// A reader of a room (docs/protocol.md): comes back by itself and misses nothing.
const RETRY_MS = [300, 700, 1500, 3000, 5000];
const PING_MS = 10000;

export class RoomReader {
  // room: called with what the room is; captions: with new captions and the draft;
  // clear: before captions of another text or history; state: "waiting", "open", "broken".
  constructor(name, { room, captions, clear, state, fromEnd = false }) {
    Object.assign(this, { name, room, captions, clear, state, fromEnd });
    this.failures = 0;
    this.last = -1;
    this.wish = null;
    this.connect();
    this.timer = setInterval(() => this.check(), PING_MS);
    // A telephone that wakes up does not wait for the next try.
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.check(); });
    addEventListener("online", () => this.check());
  }

  connect() {
    clearTimeout(this.retry);
    const url = new URL(`../v1/room/${encodeURIComponent(this.name)}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = url.hash = "";
    this.socket = new WebSocket(url, ["earvoice.v1"]);
    this.heard = performance.now();
    this.opened = false;
    this.asked = null;
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = () => this.closed();
  }

  take(message) {
    this.heard = performance.now();
    if (message.type === "room") {
      if (this.history !== undefined && this.history !== message.history) this.restart();
      this.history = message.history;
      this.failures = 0;
      this.opened = true;
      this.state("open");
      this.channels = message.channels;
      this.room(message);
      this.ask();
    } else if (message.type === "captions") {
      if (!this.wish || message.language !== this.wish.language || message.role !== this.wish.role) return;
      // What was on its way before `watch` goes on where another reading was, and would hide the rest.
      const fromEnd = this.fromEnd && this.last < 0;
      if (!fromEnd && message.after > this.last) return;
      const known = Math.max(0, this.last + 1 - message.first);
      this.last = Math.max(this.last, message.first + message.captions.length - 1);
      this.captions(message.captions.slice(known), message.draft);
    }
  }

  // Read another text of the room.
  watch(role, language) {
    this.wish = { role, language };
    this.restart();
    this.ask();
  }

  restart() {
    this.last = -1;
    this.asked = null;
    this.clear();
  }

  // A wish is told once per connection, when the room has such a text.
  ask() {
    if (!this.wish || this.asked === this.wish || this.socket.readyState !== WebSocket.OPEN) return;
    const { role, language } = this.wish;
    if (!this.channels?.some((channel) => channel.role === role && channel.language === language)) return;
    const after = this.last < 0 && this.fromEnd ? Number.MAX_SAFE_INTEGER : this.last;
    this.socket.send(JSON.stringify({ type: "watch", role, language, after }));
    this.asked = this.wish;
  }

  check() {
    if (this.socket.readyState === WebSocket.OPEN) {
      if (performance.now() - this.heard > 2.5 * PING_MS) {
        this.socket.onclose = this.socket.onmessage = null;
        this.socket.close();
        this.closed();
      } else this.socket.send(JSON.stringify({ type: "ping" }));
    } else if (this.socket.readyState === WebSocket.CLOSED) this.connect();
  }

  closed() {
    this.state(this.opened || this.history !== undefined ? "broken" : "waiting");
    const pause = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), pause * (0.5 + Math.random() / 2));
  }
}
