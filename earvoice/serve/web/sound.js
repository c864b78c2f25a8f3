// Where the sound comes from: a microphone, a tab or screen, or a file; packets of 16-bit samples.
const RATE_HZ = 16000, FLUSH_MS = 500;

// ended: called when the file, or what was shared, is over.
export async function openSound(source, { device, file, ended }) {
  const context = new AudioContext({ sampleRate: RATE_HZ });
  await context.audioWorklet.addModule("worklet.js");
  const node = new AudioWorkletNode(context, "packets");
  let media = null, player = null;
  try {
    if (source === "file") player = await fileIn(context, node, file);
    else media = await mediaOf(source, device);
  } catch (error) {
    context.close();
    throw error;
  }
  if (player) player.onended = ended;
  else {
    context.createMediaStreamSource(media).connect(node);
    media.getAudioTracks()[0].onended = ended;
  }
  let paused = false, done = () => {};
  return {
    rate_hz: context.sampleRate,
    start(packet) {
      node.port.onmessage = ({ data }) => { if (data === "done") done(); else packet(data); };
      player?.start();
    },
    pause() {
      paused = !paused;
      node.port.postMessage(paused ? "pause" : "go on");
      if (player) context[paused ? "suspend" : "resume"]();
      return paused;
    },
    // The end of what was heard fills no packet. A worklet that stands still does not hold up the end.
    flush() {
      return new Promise((resolve) => {
        done = resolve;
        setTimeout(resolve, FLUSH_MS);
        node.port.postMessage("flush");
      });
    },
    stop() {
      if (player) player.onended = null;
      for (const track of media?.getTracks() ?? []) { track.onended = null; track.stop(); }
      context.close();
    },
  };
}

async function fileIn(context, node, file) {
  let buffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error("This browser cannot play the file");
  }
  const player = new AudioBufferSourceNode(context, { buffer });
  player.connect(node);
  player.connect(context.destination);
  return player;
}

async function mediaOf(source, device) {
  if (source !== "tab") {
    const deviceId = device ? { exact: device } : undefined;
    return ask(() => navigator.mediaDevices.getUserMedia({ audio: { deviceId, channelCount: 1 } }),
      "The microphone is not allowed");
  }
  const media = await ask(() => navigator.mediaDevices.getDisplayMedia({
    video: true, audio: { suppressLocalAudioPlayback: false }, systemAudio: "include",
  }), "Nothing was shared");
  if (!media.getAudioTracks().length) {
    for (const track of media.getTracks()) track.stop();
    throw new Error("What was shared has no sound: share a tab and tick its audio");
  }
  // Browsers ask for the picture too; it is not used, and costs less when it is tiny.
  for (const track of media.getVideoTracks()) await track.applyConstraints({ width: 2, height: 2, frameRate: 1 }).catch(() => {});
  return media;
}

async function ask(question, refused) {
  if (!navigator.mediaDevices) throw new Error("This page needs https (or this machine) to hear anything");
  try {
    return await question();
  } catch (error) {
    throw new Error(error.name === "NotAllowedError" ? refused : `No sound: ${error.message}`);
  }
}
