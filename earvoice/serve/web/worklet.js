// Takes the sound card's blocks of 128 samples, mixes them to one channel, and hands on packets
// of about 100 ms as 16-bit samples with their loudness. Asked to "flush", it hands on what it has of
// the next packet, says "done" and hears no more.
class Packets extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin();
    this.paused = this.over = false;
    this.port.onmessage = (event) => {
      if (event.data === "flush") this.flush();
      else this.paused = event.data === "pause";
    };
  }

  begin() {
    this.packet = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
  }

  flush() {
    const rest = this.packet.slice(0, this.filled);
    if (rest.length) this.port.postMessage(rest.buffer, [rest.buffer]);
    this.port.postMessage("done");
    this.filled = 0;
    this.over = true;
  }

  process(inputs) {
    const channels = inputs[0];
    if (this.over) return false;
    if (this.paused || channels.length === 0) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let value = 0;
      for (const channel of channels) value += channel[i];
      value = Math.max(-1, Math.min(32767 / 32768, value / channels.length));
      this.packet[this.filled++] = Math.round(value * 32768);
      if (this.filled === this.packet.length) {
        this.port.postMessage(this.packet.buffer, [this.packet.buffer]);
        this.begin();
      }
    }
    return true;
  }
}
registerProcessor("packets", Packets);
