// Pixels as Pillow computes them: its box reduction, its two-pass bilinear filter in fixed point and its perspective
// transform, to the last bit, so that the graphs see here what they see in Python.
//
// A source has `width`, `height` and `area(x, y, width, height)`, which gives RGBA bytes of a part of it, row by row.

const BITS = 22;
const STRIP_BYTES = 2 ** 22;

/** A source of RGBA bytes that are already in memory. */
export class Pixels {
  constructor(width, height, data) {
    Object.assign(this, {width, height, data});
  }

  area(x, y, width, height) {
    if (width === this.width && height === this.height) return this.data;
    const part = new Uint8Array(width * height * 4);
    for (let row = 0; row < height; row += 1) {
      const from = ((y + row) * this.width + x) * 4;
      part.set(this.data.subarray(from, from + width * 4), row * width * 4);
    }
    return part;
  }
}

/** A box [x1, y1, x2, y2] of a source stretched to `size` (width, height): RGBA `Pixels`. As Image.resize(reducing_gap=gap). */
export function stretched(source, size, box, gap) {
  let [x1, y1, x2, y2] = box ?? [0, 0, source.width, source.height];
  const [width, height] = size;
  const scaleX = (x2 - x1) / width, scaleY = (y2 - y1) / height;
  const factorX = Math.trunc(scaleX / gap) || 1, factorY = Math.trunc(scaleY / gap) || 1;
  let pixels = source;
  if (factorX > 1 || factorY > 1) {
    // The filter reaches half a step beyond the box.
    const left = Math.max(0, Math.trunc(x1 - scaleX / 2)), top = Math.max(0, Math.trunc(y1 - scaleY / 2));
    const right = Math.min(source.width, Math.ceil(x2 + scaleX / 2));
    const bottom = Math.min(source.height, Math.ceil(y2 + scaleY / 2));
    pixels = reduced(source, factorX, factorY, [left, top, right, bottom]);
    [x1, y1, x2, y2] = [(x1 - left) / factorX, (y1 - top) / factorY, (x2 - left) / factorX, (y2 - top) / factorY];
  }
  return resampled(pixels, width, height, [x1, y1, x2, y2]);
}

/** The mean of each `factorX` x `factorY` pixels of an area; what is left over at its right and lower rim counts as a pixel too. */
export function reduced(source, factorX, factorY, [left, top, right, bottom]) {
  const width = Math.ceil((right - left) / factorX), height = Math.ceil((bottom - top) / factorY);
  const out = new Uint8Array(width * height * 4);
  const across = right - left;
  const rows = Math.max(1, Math.floor(STRIP_BYTES / (across * 4 * factorY)));
  for (let from = 0; from < height; from += rows) {
    const y = top + from * factorY;
    const deep = Math.min(bottom, top + (from + rows) * factorY) - y;
    const strip = source.area(left, y, across, deep);
    for (let row = from; row < Math.min(height, from + rows); row += 1) {
      reduceRow(strip, across, (row - from) * factorY, Math.min(factorY, deep - (row - from) * factorY), factorX, out, row * width);
    }
  }
  return new Pixels(width, height, out);
}

function reduceRow(strip, across, first, deep, factorX, out, place) {
  for (let x = 0; x < across; x += factorX, place += 1) {
    const wide = Math.min(factorX, across - x);
    const count = wide * deep;
    // Pillow divides by a rounded reciprocal, computed in single precision.
    const reciprocal = Math.trunc(Math.fround(2 ** 32 / Math.fround(256 * count)));
    let red = count >> 1, green = red, blue = red;
    for (let dy = 0; dy < deep; dy += 1) {
      let at = ((first + dy) * across + x) * 4;
      for (let dx = 0; dx < wide; dx += 1, at += 4) {
        red += strip[at];
        green += strip[at + 1];
        blue += strip[at + 2];
      }
    }
    out[place * 4] = Math.imul(red, reciprocal) >>> 24;
    out[place * 4 + 1] = Math.imul(green, reciprocal) >>> 24;
    out[place * 4 + 2] = Math.imul(blue, reciprocal) >>> 24;
    out[place * 4 + 3] = 255;
  }
}

function resampled(source, width, height, [x1, y1, x2, y2]) {
  const columns = coefficients(source.width, x1, x2, width), rows = coefficients(source.height, y1, y2, height);
  const left = columns.first[0], right = columns.first[width - 1] + columns.count[width - 1];
  const top = rows.first[0], bottom = rows.first[height - 1] + rows.count[height - 1];
  const taken = source.area(left, top, right - left, bottom - top);
  const half = new Uint8Array((bottom - top) * width * 4);
  for (let y = 0; y < bottom - top; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const start = (y * (right - left) + columns.first[x] - left) * 4;
      mix(taken, start, 4, columns, x, half, (y * width + x) * 4);
    }
  }
  const out = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const start = ((rows.first[y] - top) * width + x) * 4;
      mix(half, start, width * 4, rows, y, out, (y * width + x) * 4);
    }
  }
  return new Pixels(width, height, out);
}

function mix(from, at, step, {most, count, weights}, index, out, place) {
  let red = 1 << (BITS - 1), green = red, blue = red;
  for (let k = index * most, last = k + count[index]; k < last; k += 1, at += step) {
    const weight = weights[k];
    red += from[at] * weight;
    green += from[at + 1] * weight;
    blue += from[at + 2] * weight;
  }
  out[place] = red >> BITS;
  out[place + 1] = green >> BITS;
  out[place + 2] = blue >> BITS;
  out[place + 3] = 255;
}

/** For each of `outSize` places: the first pixel that counts, how many do, and their weights in fixed point. */
function coefficients(inSize, start, end, outSize) {
  // Pillow keeps boxes in single precision.
  const from = Math.fround(start);
  const scale = Math.fround(Math.fround(end) - from) / outSize;
  const support = Math.max(scale, 1), narrow = 1 / support;
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize), count = new Int32Array(outSize), weights = new Int32Array(outSize * most);
  const exact = new Float64Array(most);
  for (let place = 0; place < outSize; place += 1) {
    const centre = from + (place + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const many = Math.min(inSize, Math.trunc(centre + support + 0.5)) - low;
    let sum = 0;
    for (let k = 0; k < many; k += 1) {
      exact[k] = Math.max(0, 1 - Math.abs((k + low - centre + 0.5) * narrow));
      sum += exact[k];
    }
    for (let k = 0; k < many; k += 1) {
      weights[place * most + k] = Math.trunc(0.5 + (sum === 0 ? exact[k] : exact[k] / sum) * 2 ** BITS);
    }
    first[place] = low;
    count[place] = many;
  }
  return {most, first, count, weights};
}

/**
 * What lies under a picture of (width, height) when `matrix` (8 numbers) carries its pixels into the source; black beyond it.
 * As Image.transform(PERSPECTIVE, BILINEAR).
 */
export function transformed(source, width, height, matrix) {
  const [a, b, c, d, e, f, g, h] = matrix;
  const under = (x, y) => {
    const depth = g * x + h * y + 1;
    return [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth, depth];
  };
  const [left, top, right, bottom] = seenArea(source, [[0, 0], [width, 0], [0, height], [width, height]].map(([x, y]) => under(x, y)));
  const out = new Uint8Array(width * height * 4);
  if (right <= left || bottom <= top) return new Pixels(width, height, out);
  const across = right - left, taken = source.area(left, top, across, bottom - top);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [u, v] = under(x + 0.5, y + 0.5);
      if (!(u >= 0 && u < source.width && v >= 0 && v < source.height)) continue;
      const column = Math.floor(u - 0.5), row = Math.floor(v - 0.5);
      const dx = u - 0.5 - column, dy = v - 0.5 - row;
      const upper = (Math.max(0, row) - top) * across;
      // At the lower rim, as at the upper one, the row beside it stands for the one beyond.
      const lower = row + 1 < source.height ? (row + 1 - top) * across : upper;
      const west = Math.max(0, column) - left, east = Math.min(source.width - 1, column + 1) - left;
      for (let band = 0; band < 3; band += 1) {
        const nw = taken[(upper + west) * 4 + band], ne = taken[(upper + east) * 4 + band];
        const sw = taken[(lower + west) * 4 + band], se = taken[(lower + east) * 4 + band];
        const above = nw + (ne - nw) * dx, below = sw + (se - sw) * dx;
        out[(y * width + x) * 4 + band] = Math.trunc(above + (below - above) * dy);
      }
    }
  }
  return new Pixels(width, height, out);
}

/** The part of the source that a transform can reach, given what lies under its corners (x, y, depth). */
function seenArea(source, corners) {
  if (corners.some(([, , depth]) => !(depth > 0))) return [0, 0, source.width, source.height];
  const across = corners.map(([x]) => x), down = corners.map(([, y]) => y);
  return [
    Math.max(0, Math.floor(Math.min(...across)) - 2), Math.max(0, Math.floor(Math.min(...down)) - 2),
    Math.min(source.width, Math.ceil(Math.max(...across)) + 2), Math.min(source.height, Math.ceil(Math.max(...down)) + 2),
  ];
}
