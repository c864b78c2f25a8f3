// How fast captions come, so that they can be read: a steady number of letters a second, faster
// only as far as is needed to stay at most `most_s` behind.
const WIDE = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]/u;

// Letters as they weigh in reading: one of Chinese, Japanese or Korean as two and a half.
export function weight(text) {
  let sum = 0;
  for (const letter of text) sum += WIDE.test(letter) ? 2.5 : 1;
  return sum;
}

// Milliseconds until the next piece, with `waiting` the weight of all that waits after it.
export function pause_ms(piece, waiting, { perSecond = 17, most_s = 5 } = {}) {
  const speed = Math.max(perSecond, waiting / most_s);
  return (1000 * weight(piece)) / speed;
}
