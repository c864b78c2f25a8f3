// Takes the sound card's blocks of 128 samples, mixes them to one channel, and hands on packets
// of about 100 ms as 16-bit samples with their loudness.
class Packets extends AudioWorkletProcessor {
  constructor() {
    super();
    this.packet = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.paused = false;
    this.port.onmessage = (event) => { this.paused = event.data === "pause"; };
  }

  process(inputs) {
    const channels = inputs[0];
    if (this.paused || channels.length === 0) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let value = 0;
      for (const channel of channels) value += channel[i];
      value = Math.max(-1, Math.min(32767 / 32768, value / channels.length));
      this.packet[this.filled++] = Math.round(value * 32768);
      if (this.filled === this.packet.length) {
        this.port.postMessage(this.packet.buffer, [this.packet.buffer]);
        this.packet = new Int16Array(Math.round(sampleRate / 10));
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor("packets", Packets);
