/** Which places of a photo make a score, laid over it: warm where a place adds, blue where it takes away. */

const WARM = [214, 64, 32];
const COOL = [32, 96, 214];

/** A canvas to lie over the photo; `side` has `places`, rows of numbers, and `part` and `seen`, boxes in fractions. */
export function overlay(side, most, label) {
  const rows = side.places.length;
  const columns = side.places[0].length;
  const map = document.createElement("canvas");
  map.width = columns;
  map.height = rows;
  const draw = map.getContext("2d");
  const pixels = draw.createImageData(columns, rows);
  side.places.flat().forEach((value, place) => {
    const [red, green, blue] = value >= 0 ? WARM : COOL;
    pixels.data.set([red, green, blue, Math.round(200 * Math.min(1, Math.abs(value) / most))], 4 * place);
  });
  draw.putImageData(pixels, 0, 0);

  const canvas = document.createElement("canvas");
  canvas.className = "heat";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  canvas.width = canvas.height = 320;
  const out = canvas.getContext("2d");
  out.imageSmoothingEnabled = true;
  out.imageSmoothingQuality = "high";
  const [sx1, sy1, sx2, sy2] = side.seen;
  const [px1, py1, px2, py2] = side.part;
  const across = ((px2 - px1) / (sx2 - sx1)) * canvas.width;
  const down = ((py2 - py1) / (sy2 - sy1)) * canvas.height;
  out.drawImage(map, px1 * canvas.width - sx1 * across, py1 * canvas.height - sy1 * down, across, down);
  return canvas;
}

/** The largest value of two sides, so that both are drawn alike. */
export const largest = (...sides) => Math.max(...sides.flatMap((side) => side.places.flat().map(Math.abs)), 1e-9);
