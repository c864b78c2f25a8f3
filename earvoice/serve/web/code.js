// The QR code of a room, as a picture inside the page, so that it can be shown as large as wanted.
export async function showCode(element, base, name) {
  const answer = await fetch(`${base}v1/rooms/${encodeURIComponent(name)}/code.svg`);
  const picture = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "QR code of the room's address");
  element.replaceChildren(document.importNode(picture, true));
}
