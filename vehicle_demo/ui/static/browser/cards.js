// The picture with its boxes, and a card for every vehicle: what ui/stage.py and ui/cards.py write on the server.

const ENTITIES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'};
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);
const percent = (score) => `${(score * 100).toFixed(0)}%`;

/** How things look that the server decides: hues by category, which columns a CSV has, from make to year. */
export class Cards {
  constructor({colours, other_colour: other, csv, checkpoint, levels, upper}) {
    Object.assign(this, {colours, other, csv, checkpoint, levels, upper});
  }

  #hue(label) {
    return this.colours[label] ?? this.other;
  }

  stage(answer, source) {
    const {width, height} = answer.image;
    const unit = Math.max(width, height) / 100;
    // Larger boxes come first, so smaller ones lie over them and can be reached.
    const boxes = answer.vehicles.map((vehicle, index) => this.#box(vehicle, index, unit, width)).join('');
    return `<div class="vd-stage"><div class="vd-canvas" style="aspect-ratio:${width}/${height};--vd-aspect:${(width / height).toFixed(4)}">`
      + `<img src="${source}" alt="Your picture, ${answer.vehicles.length} vehicles found">`
      + `<svg viewBox="0 0 ${width} ${height}" role="group" aria-label="Vehicles found">${boxes}</svg></div></div>`;
  }

  #box({box: [x1, y1, x2, y2], category}, index, unit, width) {
    const label = `${category.label} ${category.score.toFixed(2)}`, text = unit * 2;
    const plate = Math.min(label.length * text * 0.56 + unit, width);
    const left = Math.min(x1, width - plate), top = y1 > text * 1.35 ? y1 - text * 1.35 : y1;
    const frame = (side) => side.toFixed(1);
    return `<g class="vd-box" tabindex="0" role="button" data-vehicle="${index}" data-score="${category.score.toFixed(4)}" `
      + `style="--vd-hue:${this.#hue(category.label)}" aria-label="${escape(label)}, open its card">`
      + `<rect class="vd-frame" x="${frame(x1)}" y="${frame(y1)}" width="${frame(x2 - x1)}" height="${frame(y2 - y1)}" rx="${frame(unit * 0.3)}"/>`
      + `<rect class="vd-tag" x="${frame(left)}" y="${frame(top)}" width="${frame(plate)}" height="${frame(text * 1.35)}" rx="${frame(unit * 0.3)}"/>`
      + `<text x="${frame(left + unit * 0.5)}" y="${frame(top + text)}" font-size="${frame(text)}">${escape(label)}</text></g>`;
  }

  /** `crops` and `plates`: an address, or null, for each vehicle. */
  list(answer, crops, plates) {
    const {total, ...stages} = answer.timings_ms;
    const spent = Object.entries(stages).map(([stage, ms]) => `${stage} ${ms.toFixed(0)} ms`).join(', ');
    const cards = answer.vehicles.map((vehicle, index) => this.#card(vehicle, index, crops[index], plates[index])).join('');
    return `<div class="vd-cards" data-answer="${escape(JSON.stringify(answer))}" data-csv="${escape(this.#table(answer))}">`
      + '<div class="vd-head"><strong class="vd-count" aria-live="polite"></strong>'
      + `<span class="vd-time" title="${escape(spent)}">${total.toFixed(0)} ms</span></div>`
      + `${cards}<p class="vd-none" hidden>No vehicle above this threshold. Lower it, or try another picture.</p>`
      + `<p class="vd-quiet">${escape(spent)}</p>`
      + '<div class="vd-actions"><button type="button" data-download="json">Download JSON</button>'
      + '<button type="button" data-download="csv">Download CSV</button></div></div>';
  }

  #card(vehicle, index, crop, plate) {
    const {category} = vehicle, {thresholds} = this.checkpoint;
    const rankings = ['type', 'make', 'model'].map((kind) => ranking(kind, vehicle[kind], vehicle[kind][0].score < thresholds[kind])).join('');
    return `<details class="vd-card" data-vehicle="${index}" data-score="${category.score.toFixed(4)}" style="--vd-hue:${this.#hue(category.label)}">`
      + `<summary><img src="${crop}" alt=""><span class="vd-title"><span class="vd-category">${escape(category.label)}</span> `
      + `<span class="vd-score">${category.score.toFixed(2)}</span><br>${sure(vehicle.model[0], thresholds.model, this.#known(vehicle.levels))}</span></summary>`
      + `${this.#fromMakeToYear(vehicle.levels)}${rankings}${colour(vehicle.colour)}${plateHtml(vehicle.plate, plate, thresholds.plate)}</details>`;
  }

  /** How many of the levels, from the make down, are as sure as a label must be; a year as its model. */
  #sureOf(levels) {
    const {make, type, model} = this.checkpoint.thresholds, unsure = levels.findIndex(({score}, place) => score < [make, type, model, model][place]);
    return unsure < 0 ? levels.length : unsure;
  }

  /** `a Toyota SUV, model ` of a vehicle of which no more is sure; empty where its make is not. */
  #known(levels) {
    const sure = this.#sureOf(levels);
    if (!sure || sure === this.levels.length) return '';
    const [make, kind, model] = levels.map(({label}, place) => (place < sure ? label : ''));
    const words = [make, model, this.upper[kind] ?? kind].filter(Boolean).join(' ');
    return `${'AEIOU'.includes(make[0]) ? 'an' : 'a'} ${words}, ${this.levels[sure]} `;
  }

  #fromMakeToYear(levels) {
    if (!levels.length) return '';
    const sure = this.#sureOf(levels);
    const list = levels.map(({label, score}, place) => (label
      ? `<li${place < sure ? '' : ' class=vd-unsure'}>${bar({label: `${this.levels[place]} ${label}`, score})}</li>` : '')).join('');
    return `<section class="vd-ranking vd-levels"><h4>from make to year</h4><ol>${list}</ol></section>`;
  }

  #table(answer) {
    const rows = answer.vehicles.map((vehicle) => {
      const best = [vehicle.category, ...['type', 'make', 'model', 'colour'].map((kind) => vehicle[kind][0] ?? {label: '', score: ''})];
      const plate = vehicle.plate ?? {text: '', score: ''};
      return [...vehicle.box, ...best.flatMap(({label, score}) => [label, score]), plate.text, plate.score, '', ''];
    });
    return [this.csv.columns, ...rows].map((row) => `${row.map((value) => this.#cell(value)).join(',')}\r\n`).join('');
  }

  #cell(value) {
    if (typeof value === 'number') return String(Number(value.toFixed(4)));
    // What a spreadsheet would run as a formula gets an apostrophe before it.
    const harmless = value && this.csv.formula.includes(value[0]) ? `'${value}` : value;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  }
}

export function message(sentence, kind) {
  return `<div class="vd-message vd-${kind}" role="${kind === 'error' ? 'alert' : 'status'}"><p>${escape(sentence)}</p></div>`;
}

export function examples(list) {
  return list.map(({name, url}) => `<button type="button" data-example="${escape(url)}" title="${escape(name)}">`
    + `<img src="${escape(url)}" alt="Example: ${escape(name)}" loading="lazy"></button>`).join('');
}

function sure({label, score}, threshold, known) {
  if (score >= threshold) return `<span class="vd-label">${escape(label)}</span>`;
  return `<span class="vd-label vd-unsure"><span aria-hidden="true">?</span> ${escape(known)}unsure: ${escape(label)}?</span>`;
}

const bar = ({label, score}) => `<span class="vd-name">${escape(label)}</span>`
  + `<span class="vd-bar" aria-hidden="true"><i style="width:${(score * 100).toFixed(1)}%"></i></span><span class="vd-percent">${percent(score)}</span>`;

const rows = (labels) => labels.map((scored) => `<li>${bar(scored)}</li>`).join('');

const UNSURE = ' <span class="vd-unsure">unsure</span>';

const ranking = (kind, labels, unsure) =>
  `<section class="vd-ranking"><h4>${kind}${unsure ? UNSURE : ''}</h4><ol>${rows(labels)}</ol></section>`;

// Colours were learnt from drawn vehicles alone, so on a photo they are a guess.
const colour = (labels) => (labels.length
  ? `<section class="vd-ranking"><h4>colour <span class="vd-quiet">a guess</span></h4><ol>${rows(labels.slice(0, 2))}</ol></section>` : '');

function plateHtml(plate, picture, threshold) {
  if (!plate) return '<section class="vd-plate"><h4>plate</h4><p class="vd-quiet">none found</p></section>';
  const characters = plate.characters.map(({character, score}) =>
    `<span style="--vd-sure:${score.toFixed(2)}" title="${percent(score)}">${escape(character)}</span>`).join('');
  return `<section class="vd-plate"><h4>plate${plate.score < threshold ? UNSURE : ''}</h4>`
    + `${picture ? `<img src="${picture}" alt="the plate">` : ''}`
    + `<p class="vd-text" aria-label="${escape(plate.text)}">${characters}</p><span class="vd-percent">${percent(plate.score)}</span></section>`;
}
