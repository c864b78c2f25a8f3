// A client of the native protocol (docs/protocol.md): sends audio, keeps it until the server has
// it, and goes on with the same session after a broken connection.
const RETRY_MS = [250, 500, 1000, 2000, 5000];
const MAX_BUFFER_S = 120, SILENCE_MS = 15000, ERROR_MS = 4000;
const RECOVERING = "Recovering…", CLOSING = "The server shuts down soon";

export class Stream {
  // say: called with every event and draft; state: with (text, bad, over); lag: with seconds.
  constructor(start, token, { say, state, lag }) {
    Object.assign(this, { start, token, say, state, lag });
    this.packets = [];
    this.updates = [];  // with the sample they are for, until audio after it is confirmed
    this.told = 0;
    this.heard = 0;
    this.next = 0;
    this.lastSeq = -1;
    this.failures = 0;
    this.ended = this.over = false;
    this.usual = "Listening";
    this.wrong = this.error = this.shown = null;
    this.connect();
    this.timer = setInterval(() => this.keepAlive(), 5000);
  }

  connect() {
    const base = location.origin.replace(/^http/, "ws") + "/v1/stream";
    const protocols = ["earvoice.v1"];
    if (this.token) {
      const coded = btoa(this.token).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
      protocols.push("bearer." + coded);
    }
    this.open = false;
    this.heardAt = performance.now();
    this.socket = new WebSocket(this.session ? `${base}/${this.session}` : base, protocols);
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = () => this.closed();
    this.socket.onopen = () => this.sendJson(this.session
      ? { type: "resume", token: this.resumeToken, last_seq: this.lastSeq }
      : this.start);
  }

  take(message) {
    this.heardAt = performance.now();
    if (message.type === "started" || message.type === "resumed") {
      this.session = message.session;
      this.resumeToken = message.token;
      this.failures = 0;
      this.open = true;
      this.forget(message.samples ?? 0);
      this.next = this.told = 0;
      this.sendJson({ type: "ping" });
      this.wrong = null;
      this.flush();
    } else if (message.type === "received") {
      this.forget(message.samples);
      this.lag(message.lag_s);
      if (this.wrong !== CLOSING) this.wrong = message.recovering ? RECOVERING : null;
    } else if (message.type === "event") {
      if (message.seq <= this.lastSeq) return;
      this.lastSeq = message.seq;
      this.say(message);
      const done = message.event.type === "finished";
      if (done || message.seq % 16 === 15) this.sendJson({ type: "ack", seq: message.seq });
      if (done) this.finishUp("Done", false);
    } else if (message.type === "draft") {
      this.say(message);
    } else if (message.type === "closing") {
      this.wrong = CLOSING;
    } else if (message.type === "error") {
      this.error = { text: message.message, until: performance.now() + ERROR_MS };
      if (message.fatal && !message.resumable) this.finishUp(message.message, true);
    }
    if (this.open || this.error) this.show();
  }

  // What goes on while nothing is wrong.
  usually(text) {
    this.usual = text;
    this.show();
  }

  // An error that ends nothing is there to be read, and gives way to the first message after that;
  // other trouble is shown while it lasts.
  show() {
    if (this.over) return;
    if (this.error && performance.now() >= this.error.until) this.error = null;
    const wrong = this.error?.text ?? this.wrong, text = wrong ?? this.usual;
    if (text === this.shown) return;
    this.shown = text;
    this.state(text, wrong !== null);
  }

  closed() {
    this.open = false;
    if (this.over) return;
    if (!this.session && this.failures > 0) {
      this.finishUp("The server cannot be reached, is full or wants a token", true);
      return;
    }
    this.error = null;
    this.wrong = "Reconnecting…";
    this.show();
    const pause = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    setTimeout(() => { if (!this.over) this.connect(); }, pause * (0.5 + Math.random() / 2));
  }

  // pcm: ArrayBuffer of s16le.
  push(pcm) {
    if (this.ended || this.over) return;
    this.packets.push({ offset: this.heard, samples: pcm.byteLength / 2, pcm });
    this.heard += pcm.byteLength / 2;
    const kept = (this.heard - this.packets[0].offset) / this.start.audio.rate_hz;
    if (kept > MAX_BUFFER_S) this.finishUp("The connection was broken for too long", true);
    this.flush();
  }

  end() {
    if (this.over) return;
    this.ended = true;
    this.usually("Finishing…");
    this.flush();
  }

  flush() {
    if (!this.open) return;
    for (; this.next < this.packets.length; this.next++) {
      const { offset, pcm } = this.packets[this.next];
      this.tell(offset);
      const frame = new Uint8Array(8 + pcm.byteLength);
      new DataView(frame.buffer).setBigUint64(0, BigInt(offset), true);
      frame.set(new Uint8Array(pcm), 8);
      this.socket.send(frame);
    }
    this.tell(this.heard);
    if (this.ended) this.sendJson({ type: "finish", samples: this.heard });
  }

  // The changes that belong before a sample.
  tell(sample) {
    for (; this.told < this.updates.length && this.updates[this.told].offset <= sample; this.told++) {
      this.sendJson({ type: "update", ...this.updates[this.told].changes });
    }
  }

  forget(received) {
    while (this.packets.length && this.packets[0].offset + this.packets[0].samples <= received) {
      this.packets.shift();
      this.next = Math.max(0, this.next - 1);
    }
    while (this.updates.length && this.updates[0].offset < received) {
      this.updates.shift();
      this.told = Math.max(0, this.told - 1);
    }
  }

  // A line that died without a word is found by its silence.
  keepAlive() {
    if (performance.now() - this.heardAt > SILENCE_MS && this.socket.readyState <= WebSocket.OPEN) {
      this.socket.onclose = this.socket.onmessage = null;
      this.socket.close();
      this.closed();
    } else if (this.open) this.sendJson({ type: "ping" });
  }

  // Change the session from here on; again on a new connection, for the old one may have lost it.
  // What waits for a connection is one change: it must not come to too many at once.
  update(changes) {
    const waits = this.told < this.updates.length ? this.updates[this.updates.length - 1] : null;
    if (waits) Object.assign(waits.changes, changes);
    else this.updates.push({ offset: this.heard, changes: { ...changes } });
    this.flush();
  }

  sendJson(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  finishUp(text, bad) {
    this.over = true;
    clearInterval(this.timer);
    this.socket.close(1000);
    this.state(text, bad, true);
  }
}
