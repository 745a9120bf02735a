// Whatever a visitor drops -> an upright picture whose pixels can be read, or one sentence why not.
// The limits are those of recognition/images.py, checked before anything is decoded.

import {described} from './formats.js';

/** A picture that cannot be used; its message is a sentence for the visitor. */
export class PictureError extends Error {}

const DAMAGED = 'This picture is damaged or cut short. Save it again and try once more.';
const UNREADABLE = 'This file is not a picture we can read. Use one of JPEG, PNG, WebP, BMP, GIF and AVIF.';
// Kinds that only some browsers decode.
const RARE = ['HEIC', 'TIFF'];

/** A decoded picture; transparency lies over white. A source for `resampling.js`. */
class Picture {
  constructor(bitmap) {
    this.bitmap = bitmap;
    this.width = bitmap.width;
    this.height = bitmap.height;
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext('2d', {willReadFrequently: true});
  }

  area(x, y, width, height) {
    this.#draw([x, y, width, height], width, height);
    return this.context.getImageData(0, 0, width, height).data;
  }

  /** JPEG of a box, or of all, at most `longest` pixels on its longer side. */
  async jpeg(box, longest) {
    const [left, top] = box ? box.slice(0, 2).map(Math.trunc) : [0, 0];
    const width = box ? Math.max(1, Math.round(box[2]) - left) : this.width;
    const height = box ? Math.max(1, Math.round(box[3]) - top) : this.height;
    const shrunk = Math.min(1, longest / Math.max(width, height));
    const [across, down] = [width, height].map((side) => Math.max(1, Math.round(side * shrunk)));
    this.#draw([left, top, width, height], across, down);
    return this.canvas.convertToBlob({type: 'image/jpeg', quality: 0.86});
  }

  close() {
    this.bitmap.close();
  }

  #draw(part, width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, {width, height});
    this.context.fillStyle = '#fff';
    this.context.fillRect(0, 0, width, height);
    this.context.imageSmoothingEnabled = part[2] !== width || part[3] !== height;
    this.context.imageSmoothingQuality = 'high';
    this.context.drawImage(this.bitmap, ...part, 0, 0, width, height);
  }
}

/** A file of the visitor's -> a Picture. Throws PictureError. */
export async function openPicture(file, limits) {
  checkBytes(file.size, limits);
  const about = described(new Uint8Array(await file.arrayBuffer()));
  if (!about) throw new PictureError(UNREADABLE);
  if (about.width !== null) checkSides(about, limits);
  let bitmap;
  try {
    // Upright, and with the numbers that are in the file: the network was taught without colour profiles.
    bitmap = await createImageBitmap(file, {imageOrientation: 'from-image', colorSpaceConversion: 'none'});
  } catch {
    throw new PictureError(RARE.includes(about.kind)
      ? `This browser cannot open ${about.kind} pictures. Save the photo as JPEG, or open it in the Studio's Recognise tab.`
      : DAMAGED);
  }
  checkSides(bitmap, limits);
  return new Picture(bitmap);
}

function checkBytes(size, {bytes}) {
  if (size === 0) throw new PictureError('This file is empty. Choose another picture.');
  if (size <= bytes) return;
  throw new PictureError(`This file has ${(size / 2 ** 20).toFixed(0)} MB; the limit is ${bytes / 2 ** 20} MB. Save it smaller.`);
}

function checkSides({width, height}, {pixels, min_side: least, max_aspect: aspect}) {
  if (width * height > pixels) {
    throw new PictureError(`This picture has too many pixels; the limit is ${Math.floor(pixels / 1e6)} megapixels. Make it smaller.`);
  }
  if (Math.min(width, height) < least) {
    throw new PictureError(`This picture is ${width} x ${height} pixels; each side needs at least ${least}.`);
  }
  if (Math.max(width, height) > aspect * Math.min(width, height)) {
    throw new PictureError(`This picture is too narrow: its sides may differ by a factor of ${aspect} at most.`);
  }
}
