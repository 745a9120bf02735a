// Boxes [x1, y1, x2, y2] and plates' corners [[x, y], ...], as recognition/boxes.py and rectify.py have them.

import {Pixels, reduced, transformed} from './resampling.js';

export const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

/** The part of the box that lies in a picture of (width, height). */
export const clipped = ([x1, y1, x2, y2], [width, height]) =>
  [Math.max(0, x1), Math.max(0, y1), Math.min(width, x2), Math.min(height, y2)];

/** The box with `margin` of its own sides added on each side, clipped to the picture. */
export function widened([x1, y1, x2, y2], margin, size) {
  const dx = (x2 - x1) * margin, dy = (y2 - y1) * margin;
  return clipped([x1 - dx, y1 - dy, x2 + dx, y2 + dy], size);
}

/** Places in pixels, such as a box's sides, at the nearest `steps`-th of one. */
export const snapped = (places, steps) => places.map((side) => Math.floor(side * steps + 0.5) / steps);

/** cx, cy, w, h in [0, 1], as the graph gives them -> a box in pixels of the picture. */
export function toPixels([cx, cy, w, h], [width, height]) {
  const side = (value, length) => Math.min(1, Math.max(0, Math.fround(value))) * length;
  return [side(cx - w / 2, width), side(cy - h / 2, height), side(cx + w / 2, width), side(cy + h / 2, height)];
}

function overlap(a, b) {
  const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(0, across) * Math.max(0, down);
  return shared / Math.max(area(a) + area(b) - shared, Number.MIN_VALUE);
}

/** Of [{box, score}] those that no better one covers by `sameObject` of their union, the best first. */
export function distinct(found, sameObject) {
  const kept = [];
  for (const one of [...found].sort((a, b) => b.score - a.score)) {
    if (kept.every((better) => overlap(better.box, one.box) < sameObject)) kept.push(one);
  }
  return kept;
}

/** The four corners of a box, from the upper left on clockwise. */
export function cornersOf([x1, y1, x2, y2]) {
  return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
}

export function boxAround(corners) {
  const across = corners.map(([x]) => x), down = corners.map(([, y]) => y);
  return [Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down)];
}

/** Whether four corners can be a plate's: near the picture, clockwise, around at least `fewest` pixels. */
export function plausible(corners, size, fewest) {
  return corners.every((corner, place) => {
    const near = corner.every((value, axis) => Number.isFinite(value) && value >= -size[axis] && value <= 2 * size[axis]);
    const [next, after] = [corners[(place + 1) % 4], corners[(place + 2) % 4]];
    const along = [next[0] - corner[0], next[1] - corner[1]], onwards = [after[0] - next[0], after[1] - next[1]];
    return near && along[0] * onwards[1] - along[1] * onwards[0] >= fewest;
  });
}

/** The quadrilateral as RGBA `Pixels` of `size`, with `margin` of its sides left around it. */
export function rectified(source, corners, size, margin, finest) {
  const lengths = corners.map((corner, place) => distance(corner, corners[(place + 1) % 4]));
  const seen = [Math.max(lengths[0], lengths[2]), Math.max(lengths[1], lengths[3])];
  // A plate many times larger than what it is drawn to is drawn larger and averaged, or it would flicker.
  const finer = Math.min(finest, Math.max(1, ...seen.map((had, axis) => Math.ceil(had / size[axis]))));
  const [width, height] = size.map((side) => side * finer);
  const rim = margin / (1 + 2 * margin);
  const [left, top, right, bottom] = [rim * width, rim * height, (1 - rim) * width, (1 - rim) * height];
  const drawn = [[left, top], [right, top], [right, bottom], [left, bottom]];
  const large = transformed(source, width, height, homography(drawn, corners));
  return finer > 1 ? reduced(large, finer, finer, [0, 0, width, height]) : new Pixels(width, height, large.data);
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** The eight numbers of the matrix that carries four points to four others. */
function homography(from, to) {
  const rows = [];
  from.forEach(([x, y], place) => {
    const [u, v] = to[place];
    rows.push([x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]);
  });
  return solved(rows);
}

/** The solution of linear equations, each a row with its right side last, by elimination with pivots. */
function solved(rows) {
  const count = rows.length;
  for (let column = 0; column < count; column += 1) {
    let best = column;
    for (let row = column + 1; row < count; row += 1) if (Math.abs(rows[row][column]) > Math.abs(rows[best][column])) best = row;
    [rows[column], rows[best]] = [rows[best], rows[column]];
    for (let row = 0; row < count; row += 1) {
      if (row === column) continue;
      const factor = rows[row][column] / rows[column][column];
      for (let place = column; place <= count; place += 1) rows[row][place] -= factor * rows[column][place];
    }
  }
  return rows.map((row, place) => row[count] / row[place]);
}
