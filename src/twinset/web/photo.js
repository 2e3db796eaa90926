/** A shopper's photo: asked for, and made small in the browser, turned, at most 1024 pixels long, without its place. */

import { make } from "./dom.js";

const LONG_SIDE = 1024;
const TYPE = "image/jpeg";
const QUALITY = 0.9;

/** A JPEG of a file's picture, as a canvas shows it; throws where the browser cannot decode it. */
export async function prepare(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LONG_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const draw = canvas.getContext("2d", { alpha: false });
  draw.fillStyle = "#fff";
  draw.fillRect(0, 0, canvas.width, canvas.height);
  draw.imageSmoothingQuality = "high";
  draw.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const { width, height } = canvas;
  const blob = await new Promise((done) => canvas.toBlob(done, TYPE, QUALITY));
  if (!blob) throw new Error("no JPEG");
  return revived({ bytes: await blob.arrayBuffer(), width, height });
}

/** A prepared photo from its bytes, to be sent and to be shown. */
export function revived({ bytes, width, height }) {
  const blob = new Blob([bytes], { type: TYPE });
  return { bytes, blob, url: URL.createObjectURL(blob), width, height };
}

/** What asks for files, in words; `given(files)` is called with those that were picked. */
export function picker(word, given, facts = {}, look = "button") {
  const input = make("input", { type: "file", accept: "image/*,.heic,.heif", class: "unseen", ...facts });
  input.addEventListener("change", () => given([...input.files]));
  return make("label", { class: look }, input, make("span", { text: word }));
}

/** The pictures of what was dropped, pasted or picked. */
export const pictures = (files) => [...files].filter((file) => file.type.startsWith("image/") || /\.hei[cf]$/i.test(file.name));
