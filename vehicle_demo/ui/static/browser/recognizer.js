// A picture -> every vehicle in it, described: the decisions of recognition/recognizer.py, step by step.

import {area, boxAround, clipped, cornersOf, distinct, plausible, rectified, snapped, toPixels, widened} from './geometry.js';
import {stretched} from './resampling.js';
import {softmax} from './softmax.js';

export class Recognizer {
  /**
   * `checkpoint` is what checkpoint.json says, completed; `settings` what recognition keeps as constants. `graph` is a
   * `Unified`, `reader` and `finder` are `PlateGraph`s or null.
   */
  constructor(checkpoint, settings, graph, reader, finder) {
    Object.assign(this, {checkpoint, settings, graph, reader, finder});
  }

  /** `picture` as `resampling.js` takes sources -> the answer of the `/recognize` endpoint; boxes are not rounded. */
  async recognize(picture) {
    const began = performance.now(), timings = {};
    const measured = async (stage, work) => {
      const start = performance.now();
      const answer = await work();
      timings[stage] = performance.now() - start;
      return answer;
    };
    const size = [picture.width, picture.height];
    const {whole, found} = await measured('detect', async () => {
      const [outputs] = await this.graph.run([this.#seen(picture, null)]);
      return {whole: {outputs, window: [0, 0, ...size]}, found: this.#detections(outputs, size)};
    });
    const described = await measured('attributes', () => this.#describe(picture, whole, found));
    const plates = await measured('plates', () => this.#readPlates(picture, found, described, whole));
    const vehicles = found.map((detection, place) => this.#vehicle(detection, described[place].outputs, plates[place]));
    return {
      checkpoint: this.checkpoint.name,
      heads_version: this.checkpoint.heads_version,
      image: {width: picture.width, height: picture.height},
      timings_ms: {...timings, total: performance.now() - began},
      vehicles,
    };
  }

  #seen(picture, box) {
    return this.graph.prepare(stretched(picture, this.graph.size, box, this.settings.reducing_gap));
  }

  #detections({det_boxes: boxes, det_classes: classes}, size) {
    const {thresholds, same_object: sameObject, max_vehicles: most} = this.checkpoint;
    const [queries, count] = classes.dims;
    const found = [];
    for (let query = 0; query < queries; query += 1) {
      const logits = classes.data.subarray(query * count, (query + 1) * count);
      const category = largest(logits), score = 1 / (1 + Math.exp(-logits[category]));
      const box = toPixels(boxes.data.subarray(query * 4, query * 4 + 4), size);
      if (score >= thresholds.detection_floor && box[2] - box[0] >= 2 && box[3] - box[1] >= 2) found.push({box, category, score});
    }
    return distinct(found, sameObject).slice(0, most).sort((a, b) => area(b.box) - area(a.box));
  }

  /** The part of the picture that a vehicle's labels come from: its box with a margin, or all where it nearly fills it. */
  #window(box, size, alone) {
    const {whole_picture_coverage: coverage, crop_margin: margin} = this.checkpoint;
    if (alone && area(box) >= coverage * size[0] * size[1]) return [0, 0, ...size];
    return snapped(widened(box, margin, size), this.settings.crop_steps);
  }

  async #describe(picture, whole, found) {
    const windows = found.map(({box}) => this.#window(box, [picture.width, picture.height], found.length === 1));
    if (windows.length === 1 && windows[0].every((side, place) => side === whole.window[place])) return [whole];
    const rows = await this.graph.run(windows.map((window) => this.#seen(picture, window)));
    return rows.map((outputs, place) => ({outputs, window: windows[place]}));
  }

  async #readPlates(picture, found, described, whole) {
    if (!['plate_boxes', 'plate_scores'].every((name) => this.graph.outputs.includes(name))) {
      return described.map(({outputs}) => this.#reading(outputs.ocr_logits.data, null));
    }
    const seen = this.#seenPlates(described, found, whole, [picture.width, picture.height]);
    const readings = await this.#readIn(picture, seen.map(([, box]) => box));
    const best = found.map(() => null);
    readings.forEach((reading, place) => {
      const [vehicle] = seen[place];
      if (reading && (!best[vehicle] || reading.score > best[vehicle].score)) best[vehicle] = reading;
    });
    return best;
  }

  /** [vehicle's number, box of a plate that may be its own]: by the pass over its crop, and by that over the whole picture. */
  #seenPlates(described, found, whole, size) {
    const seen = described.map((item, vehicle) => [vehicle, this.#plateBox(item, size)]).filter(([, box]) => box);
    const box = this.#plateBox(whole, size);
    if (box) {
      const x = (box[0] + box[2]) / 2, y = (box[1] + box[3]) / 2;
      const around = found.map((detection, vehicle) => ({box: detection.box, vehicle}))
        .filter(({box: [x1, y1, x2, y2]}) => x1 <= x && x <= x2 && y1 <= y && y <= y2)
        .sort((a, b) => area(a.box) - area(b.box));
      if (around.length && described[around[0].vehicle] !== whole) seen.push([around[0].vehicle, box]);
    }
    return seen;
  }

  #plateBox({outputs, window: [x1, y1, x2, y2]}, size) {
    if (outputs.plate_scores.data[0] < this.checkpoint.thresholds.plate_box) return null;
    const [cx, cy, w, h] = outputs.plate_boxes.data, width = x2 - x1, height = y2 - y1;
    const sides = [x1 + (cx - w / 2) * width, y1 + (cy - h / 2) * height, x1 + (cx + w / 2) * width, y1 + (cy + h / 2) * height];
    const box = snapped(clipped(sides, size), this.settings.plate_steps);
    return box[2] - box[0] >= 4 && box[3] - box[1] >= 2 ? box : null;
  }

  /** What stands on the plate of each box, rectified where its corners are found. */
  async #readIn(picture, boxes) {
    if (!boxes.length) return [];
    const size = [picture.width, picture.height], {plate_margin: margin} = this.checkpoint;
    const {reducing_gap: gap, finest} = this.settings;
    const corners = this.finder ? await this.#corners(picture, boxes) : boxes.map(() => null);
    const graph = this.reader ?? this.graph;
    // Between corners the reader sees a plate from the front with a narrow and with a wide margin, and as it stands.
    const between = (own) => (this.reader ? [[own, margin], [own, 3 * margin], [cornersOf(boxAround(own)), 0]] : [[own, margin]])
      .map(([around, rim]) => rectified(picture, around, graph.size, rim, finest));
    const views = boxes.map((box, place) => (corners[place]
      ? between(corners[place])
      : [stretched(picture, graph.size, widened(box, margin, size), gap)]));
    const crops = views.flat().map((view) => graph.prepare(view));
    const slots = this.reader ? await this.reader.answers(crops) : (await this.graph.run(crops)).map((row) => row.ocr_logits.data);
    return views.map((seen, place) => {
      const own = corners[place], box = own ? clipped(boxAround(own), size) : boxes[place];
      const reading = this.#reading(this.#surest(slots.splice(0, seen.length)), box);
      return reading && own ? {...reading, corners: own} : reading;
    });
  }

  /** Of several views of one plate, each its logits, those whose best characters are likeliest together. */
  #surest(views) {
    const sureness = views.map((logits) => this.#slots(logits).reduce((sum, slot) => sum + Math.log(Math.max(...slot)), 0));
    return views[largest(sureness)];
  }

  async #corners(picture, boxes) {
    const size = [picture.width, picture.height], {corner_margin: margin, fewest_pixels: fewest, reducing_gap: gap, plate_steps: steps} = this.settings;
    const windows = boxes.map((box) => widened(box, margin, size));
    const answers = await this.finder.answers(windows.map((window) => this.finder.prepare(stretched(picture, this.finder.size, window, gap))));
    return answers.map((values, place) => {
      const [x1, y1, x2, y2] = windows[place];
      const corners = [0, 2, 4, 6].map((at) => snapped([x1 + values[at] * (x2 - x1), y1 + values[at + 1] * (y2 - y1)], steps));
      return plausible(corners, size, fewest) ? corners : null;
    });
  }

  /** A plate's logits, slots x characters with the blank last -> the probabilities of each slot. */
  #slots(logits) {
    const count = this.settings.alphabet.length + 1;
    return Array.from({length: logits.length / count}, (_, slot) => softmax(logits.subarray(slot * count, (slot + 1) * count), 1));
  }

  /** A plate's logits -> its text, or null where all are blank. */
  #reading(logits, box) {
    const {alphabet} = this.settings;
    const best = this.#slots(logits).map((slot) => ({index: largest(slot), score: Math.max(...slot)}));
    const characters = best.filter(({index}) => index < alphabet.length).map(({index, score}) => ({character: alphabet[index], score}));
    if (!characters.length) return null;
    const score = best.reduce((product, slot) => product * slot.score, 1);
    return {text: characters.map(({character}) => character).join(''), score, box, characters};
  }

  #vehicle({box, category, score}, outputs, plate) {
    const {labels, temperatures} = this.checkpoint;
    const ranked = (tensor, names, temperature) => this.#ranked(outputs[tensor].data, names, temperature);
    return {
      box,
      category: {label: labels.categories[category], score},
      type: ranked('vehicle_types', labels.types, temperatures.type),
      make: ranked('makes', labels.makes, temperatures.make),
      model: ranked('models', labels.models, temperatures.model),
      colour: outputs.colours ? ranked('colours', labels.colours, 1) : [],
      novelty: null,
      plate,
      embedding: [...outputs.reid_embeds.data],
      levels: this.#descended(softmax(outputs.models.data, temperatures.model)),
    };
  }

  /** The likeliest make, of its types the likeliest, and so on, each with its share; see recognition/hierarchy.py. */
  #descended(scores) {
    let left = this.settings.paths.flatMap((path, place) => (path ? [{path, score: scores[place]}] : []));
    return [...(left[0]?.path ?? [])].map((_, level) => {
      const shares = new Map();
      for (const {path, score} of left) shares.set(path[level], (shares.get(path[level]) ?? 0) + score);
      const [label, score] = [...shares].reduce((best, one) => (one[1] > best[1] ? one : best));
      left = left.filter(({path}) => path[level] === label);
      return {label, score};
    });
  }

  #ranked(logits, names, temperature) {
    const scores = softmax(logits, temperature);
    return [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, this.settings.ranked)
      .map((index) => ({label: names[index], score: scores[index]}));
  }
}

function largest(values) {
  let best = 0;
  for (let place = 1; place < values.length; place += 1) if (values[place] > values[best]) best = place;
  return best;
}

/** The answer as the endpoint gives it: boxes to a tenth of a pixel, and plates without their corners. */
export function rounded(answer) {
  const to = (value, digits) => Number(value.toFixed(digits));
  const box = (sides) => sides && sides.map((side) => to(side, 1));
  return {
    ...answer,
    timings_ms: Object.fromEntries(Object.entries(answer.timings_ms).map(([stage, spent]) => [stage, to(spent, 1)])),
    vehicles: answer.vehicles.map((vehicle) => ({
      ...vehicle,
      box: box(vehicle.box),
      plate: vehicle.plate && {text: vehicle.plate.text, score: vehicle.plate.score, box: box(vehicle.plate.box), characters: vehicle.plate.characters},
      embedding: vehicle.embedding.map((value) => to(value, 6)),
    })),
  };
}
