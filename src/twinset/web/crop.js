/** A movable box over a photo: by pointer, or by arrow keys on the box and on each of its corners. */

/** The box of all of a photo. */
export const WHOLE = [0, 0, 1, 1];

/** Whether two boxes are, to the eye, the same. */
export const same = (one, other) => one.every((side, place) => Math.abs(side - other[place]) < 0.005);

const LEAST = 0.05;
const STEP = 0.02;
const CORNERS = [
  ["nw", 0, 1],
  ["ne", 2, 1],
  ["se", 2, 3],
  ["sw", 0, 3],
];

/**
 * Lays a box over `frame`, in which a photo fills the width and height. `box` is x1, y1, x2, y2 in fractions of it.
 * `changed(box)` is called when the shopper lets go. `words` names the box and its corners to who cannot see them.
 */
export function cropper(frame, box, words, changed) {
  const shade = element("div", "crop");
  shade.tabIndex = 0;
  shade.dataset.key = "crop";
  shade.setAttribute("role", "group");
  shade.setAttribute("aria-label", words.box);
  const corners = CORNERS.map(([name, x, y]) => {
    const corner = element("button", `corner ${name}`);
    corner.type = "button";
    corner.dataset.key = `crop ${name}`;
    corner.setAttribute("aria-label", words[name]);
    listen(corner, (dx, dy, from) => resized(from, x, y, dx, dy));
    return corner;
  });
  shade.append(...corners);
  listen(shade, moved);
  frame.append(shade);
  show();

  function listen(target, change) {
    target.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      event.stopPropagation();
      target.focus({ preventScroll: true });
      target.setPointerCapture(event.pointerId);
      const from = [...box];
      const { width, height } = frame.getBoundingClientRect();
      const move = (now) => {
        box = change((now.clientX - event.clientX) / width, (now.clientY - event.clientY) / height, from);
        show();
      };
      const end = () => {
        target.removeEventListener("pointermove", move);
        if (from.some((side, place) => side !== box[place])) changed(box);
      };
      target.addEventListener("pointermove", move);
      target.addEventListener("pointerup", end, { once: true });
      target.addEventListener("pointercancel", end, { once: true });
    });
    let waiting = 0;
    target.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const by = event.shiftKey ? STEP / 4 : STEP;
      box = change(step[0] * by, step[1] * by, box);
      show();
      clearTimeout(waiting);
      waiting = setTimeout(() => frame.isConnected && changed(box), 400);
    });
  }

  function moved(dx, dy, [x1, y1, x2, y2]) {
    dx = clamp(dx, -x1, 1 - x2);
    dy = clamp(dy, -y1, 1 - y2);
    return [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
  }

  function resized(from, x, y, dx, dy) {
    const now = [...from];
    now[x] = x === 0 ? clamp(from[0] + dx, 0, from[2] - LEAST) : clamp(from[2] + dx, from[0] + LEAST, 1);
    now[y] = y === 1 ? clamp(from[1] + dy, 0, from[3] - LEAST) : clamp(from[3] + dy, from[1] + LEAST, 1);
    return now;
  }

  function show() {
    const [x1, y1, x2, y2] = box;
    shade.classList.toggle("whole", x1 + y1 === 0 && x2 * y2 === 1);
    shade.style.left = `${100 * x1}%`;
    shade.style.top = `${100 * y1}%`;
    shade.style.width = `${100 * (x2 - x1)}%`;
    shade.style.height = `${100 * (y2 - y1)}%`;
  }

  return {
    set(other) {
      box = other;
      show();
    },
  };
}

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

function element(name, kind) {
  const made = document.createElement(name);
  made.className = kind;
  return made;
}
