// What a file says of itself before it is decoded: its kind, and its width and height in pixels.

const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

/** Encoded bytes -> {kind, width, height}, the sides null where the file does not tell; null for what is no picture. */
export function described(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = KINDS.find(({marks}) => marks(bytes));
  if (!found) return null;
  try {
    const [width, height] = found.sides(view, bytes);
    return {kind: found.kind, width, height};
  } catch (error) {
    if (error instanceof RangeError) return {kind: found.kind, width: null, height: null};
    throw error;
  }
}

const brands = (bytes) => (text(bytes, 4, 8) === 'ftyp' ? text(bytes, 8, Math.min(bytes.length, 64)) : '');

const KINDS = [
  {kind: 'JPEG', marks: (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff, sides: jpegSides},
  {kind: 'PNG', marks: (bytes) => text(bytes, 0, 8) === '\x89PNG\r\n\x1a\n', sides: (view) => [view.getUint32(16), view.getUint32(20)]},
  {kind: 'GIF', marks: (bytes) => /^GIF8[79]a/.test(text(bytes, 0, 6)), sides: (view) => [view.getUint16(6, true), view.getUint16(8, true)]},
  {kind: 'WebP', marks: (bytes) => text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 12) === 'WEBP', sides: webpSides},
  {kind: 'BMP', marks: (bytes) => text(bytes, 0, 2) === 'BM', sides: bmpSides},
  {kind: 'AVIF', marks: (bytes) => /avi[fs]/.test(brands(bytes)), sides: largestExtent},
  {kind: 'HEIC', marks: (bytes) => /hei[cxms]|hev[cx]|mif1/.test(brands(bytes)), sides: largestExtent},
  {kind: 'TIFF', marks: (bytes) => ['II*\0', 'MM\0*'].includes(text(bytes, 0, 4)), sides: () => [null, null]},
];

function jpegSides(view) {
  for (let at = 2; ;) {
    while (view.getUint8(at) !== 0xff || view.getUint8(at + 1) === 0xff) at += 1;
    const marker = view.getUint8(at + 1);
    // Start of frame; of the markers around it three say something else.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    const alone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += alone ? 2 : 2 + view.getUint16(at + 2);
  }
}

function webpSides(view, bytes) {
  const chunk = text(bytes, 12, 16);
  const three = (at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  if (chunk === 'VP8X') return [three(24) + 1, three(27) + 1];
  if (chunk === 'VP8L') {
    const packed = view.getUint32(21, true);
    return [(packed & 0x3fff) + 1, ((packed >> 14) & 0x3fff) + 1];
  }
  return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
}

function bmpSides(view) {
  if (view.getUint32(14, true) === 12) return [view.getUint16(18, true), view.getUint16(20, true)];
  return [Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true))];
}

/** The largest picture of a HEIF container, by its `ispe` properties. */
function largestExtent(view, bytes) {
  let sides = [null, null];
  for (let at = 0; at + 20 <= Math.min(bytes.length, 2 ** 20); at += 1) {
    if (bytes[at] !== 0x69 || text(bytes, at, at + 4) !== 'ispe') continue;
    const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (width * height > sides[0] * sides[1]) sides = [width, height];
  }
  return sides;
}
