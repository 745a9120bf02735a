// ONNX Runtime's sessions: the unified graph, the two small ones for plates, and heads beside the graph.

import {softmax} from './softmax.js';

/** A graph that cannot be used; its message is a sentence for the visitor. */
export class GraphError extends Error {}

class Graph {
  constructor(runtime, session, atOnce) {
    Object.assign(this, {runtime, session, atOnce});
    this.input = session.inputMetadata[0];
    this.outputs = session.outputNames;
    // A graph with a fixed batch takes just so many.
    this.batch = typeof this.input.shape[0] === 'number' ? this.input.shape[0] : null;
  }

  /** Pictures, as arrays of the input's type -> for each its outputs by name: {data, dims}. */
  async run(pictures) {
    const rows = [];
    const step = this.batch ?? this.atOnce;
    for (let start = 0; start < pictures.length; start += step) {
      const chunk = pictures.slice(start, start + step);
      const count = this.batch ?? chunk.length, length = chunk[0].length;
      const joined = new chunk[0].constructor(count * length);
      for (let place = 0; place < count; place += 1) joined.set(chunk[Math.min(place, chunk.length - 1)], place * length);
      const dims = [count, ...this.input.shape.slice(1)];
      const feeds = {[this.input.name]: new this.runtime.Tensor(this.input.type, joined, dims)};
      const answers = await this.session.run(feeds);
      chunk.forEach((_, place) => rows.push(rowOf(answers, place)));
      Object.values(answers).forEach((tensor) => tensor.dispose());
    }
    return rows;
  }
}

function rowOf(answers, place) {
  return Object.fromEntries(Object.entries(answers).map(([name, tensor]) => {
    const dims = tensor.dims.slice(1), length = dims.reduce((product, side) => product * side, 1);
    const data = tensor.data.slice(place * length, (place + 1) * length);
    if (!data.every(Number.isFinite)) throw new GraphError(`The graph gave values in ${name} that are not finite. Reload the page.`);
    return [name, {data, dims}];
  }));
}

/** The graph of the contract: RGBA pixels in, its tensors out, with the logits of `heads` in place of its own. */
export class Unified extends Graph {
  constructor(runtime, session, settings, heads) {
    super(runtime, session, settings.at_once);
    this.side = this.input.shape[2];
    Object.assign(this, {settings, heads});
  }

  get size() {
    return [this.side, this.side];
  }

  /** RGBA pixels of the graph's size -> (3, S, S) float32, normalised. */
  prepare({data}) {
    const {mean, std} = this.settings, plane = this.side * this.side;
    const values = new Float32Array(3 * plane);
    for (let band = 0; band < 3; band += 1) {
      // Each of the 256 levels as single precision has it, in NumPy's order of steps.
      const levels = Float32Array.from({length: 256}, (_, level) =>
        Math.fround(Math.fround(Math.fround(level / 255) - Math.fround(mean[band])) / Math.fround(std[band])));
      for (let place = 0; place < plane; place += 1) values[band * plane + place] = levels[data[place * 4 + band]];
    }
    return values;
  }

  async run(pictures) {
    const rows = await super.run(pictures);
    return this.heads ? rows.map((row) => this.heads.applied(row)) : rows;
  }
}

/** A small graph for plates: RGBA pixels of its `size` in, one array out: its own, or by another `last` layer. */
export class PlateGraph extends Graph {
  constructor(runtime, session, atOnce, last) {
    super(runtime, session, atOnce);
    this.last = last;
  }

  get size() {
    return [this.input.shape[2], this.input.shape[1]];
  }

  prepare({data}) {
    const bytes = new Uint8Array(data.length / 4 * 3);
    for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
      bytes[to] = data[from];
      bytes[to + 1] = data[from + 1];
      bytes[to + 2] = data[from + 2];
    }
    return bytes;
  }

  async answers(pictures) {
    const rows = await this.run(pictures);
    return rows.map((row) => (this.last ? this.last.layer.answers(row[this.last.features].data) : row[this.outputs[0]].data));
  }
}

/** A linear layer; its `weight` has a row for each answer. */
class Layer {
  constructor(weight, bias) {
    Object.assign(this, {weight, bias});
  }

  /** Features of one thing, or of several one after the other -> its answers, or theirs likewise. */
  answers(features) {
    const {weight, bias} = this, answers = bias.length, length = weight.length / answers;
    return Float32Array.from({length: (features.length / length) * answers}, (_, place) => {
      const answer = place % answers, first = Math.floor(place / answers) * length;
      let sum = bias[answer];
      for (let at = 0; at < length; at += 1) sum += features[first + at] * weight[answer * length + at];
      return sum;
    });
  }
}

/** Linear layers on the graphs' features that somebody promoted in the app, from a safetensors file. */
export class Heads {
  constructor(buffer, {tensors, features, characters, untold}) {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    const part = (name) => {
      const [start, end] = header[name].data_offsets;
      return new Float32Array(buffer.slice(8 + length + start, 8 + length + end));
    };
    const layer = (name) => new Layer(part(`${name}.weight`), part(`${name}.bias`));
    Object.assign(this, {features, untold});
    this.layers = Object.entries(tensors).map(([task, tensor]) => ({
      task,
      tensor,
      layer: layer(task),
      ofModel: `${task}.of_model` in header ? part(`${task}.of_model`) : null,
    }));
    /** The plate reader's last layer and which of its outputs that reads, where plates were taught. */
    this.characters = 'characters.weight' in header ? {features: characters, layer: layer('characters')} : null;
  }

  applied(row) {
    const features = row[this.features].data;
    const own = Object.fromEntries(this.layers.map(({task, layer}) => [task, layer.answers(features)]));
    const models = softmax(own.model, 1);
    const logits = this.layers.map(({task, tensor, ofModel}) => [tensor, {
      dims: [1, own[task].length],
      data: ofModel ? own[task].map((value, name) => value + this.#implied(models, ofModel, name)) : own[task],
    }]);
    return {...row, ...Object.fromEntries(logits)};
  }

  /** What the models' probabilities add up to for one name of a type or make, as a logit. */
  #implied(models, ofModel, name) {
    return Math.log(models.reduce((sum, share, model) => (ofModel[model] === name ? sum + share : sum), this.untold));
  }
}
