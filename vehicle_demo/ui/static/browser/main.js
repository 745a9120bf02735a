// The page: takes photos, shows how far the model is and what the worker found.

import {mountCamera} from './camera.js';
import {Cards, examples, message} from './cards.js';

const $ = (selector) => document.querySelector(selector);
const [stage, results, strip, threshold] = ['#stage', '#results', '#examples', '#threshold'].map($);
const worker = new Worker(new URL('worker.js', import.meta.url), {type: 'module'});
const backend = new URLSearchParams(location.search).get('backend');

let cards;
let ready = false, asked = 0, busy = false, waiting = null;
let addresses = [];

/** Recognise a file, or one that is on its way, as soon as the model is there; the last one that was chosen counts. */
async function recognise(file) {
  asked += 1;
  const id = asked;
  if (!ready) say('Your photo is next, as soon as the model is here.');
  try {
    const here = await file;
    if (id === asked) waiting = {id, file: here};
  } catch {
    if (id === asked) refuse('This example could not be loaded. Choose a photo of your own.');
  }
  next();
}

function next() {
  if (!ready || busy || !waiting) return;
  busy = true;
  stage.setAttribute('aria-busy', 'true');
  say('Recognising.');
  worker.postMessage({do: 'recognise', ...waiting});
  waiting = null;
}

const say = (sentence) => { $('#said').textContent = sentence; };

const handlers = {
  manifest({manifest}) {
    cards = new Cards(manifest);
    const {checkpoint, limits, examples: list} = manifest;
    $('#checkpoint').textContent = `${checkpoint.name} ${checkpoint.version}, heads ${checkpoint.heads_version}`;
    $('#studio').hidden = !manifest.studio;
    $('#studio').href = manifest.studio ?? '';
    $('#limit').textContent = `at most ${limits.bytes / 2 ** 20} MB`;
    threshold.min = checkpoint.thresholds.detection_floor;
    threshold.value = checkpoint.thresholds.detection;
    redraw();
    strip.innerHTML = examples(list);
  },

  progress({loaded, total}) {
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
    $('#progress').max = total;
    $('#progress').value = loaded;
    $('#loaded').textContent = loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} MB` : `${megabytes(total)} MB, starting`;
  },

  ready({backend: name, threads, graph}) {
    ready = true;
    $('#loading').hidden = true;
    const how = name === 'WASM' ? `${name}, ${threads === 1 ? '1 thread' : `${threads} threads`}` : name;
    $('#how').textContent = `${how}, ${graph}`;
    say('');
    document.documentElement.dataset.ready = name;
    if (!asked) strip.querySelector('button')?.click();
    next();
  },

  failed({sentence}) {
    $('#loading').hidden = true;
    stage.innerHTML = message(sentence, 'error');
  },

  found({id, answer, stage: picture, crops, plates}) {
    finished();
    if (waiting || id !== asked) return;
    addresses.forEach((address) => URL.revokeObjectURL(address));
    addresses = [];
    const address = (blob) => {
      if (!blob) return null;
      addresses.push(URL.createObjectURL(blob));
      return addresses.at(-1);
    };
    stage.innerHTML = cards.stage(answer, address(picture));
    results.innerHTML = cards.list(answer, crops.map(address), plates.map(address));
    redraw();
  },

  refused({id, sentence}) {
    finished();
    if (waiting || id !== asked) return;
    stage.innerHTML = message(sentence, 'error');
    results.innerHTML = '';
  },
};

function finished() {
  busy = false;
  stage.removeAttribute('aria-busy');
  say('');
  next();
}

function redraw() {
  $('#threshold-value').textContent = Number(threshold.value).toFixed(2);
  vehicleDemo.redraw(Number(threshold.value));
}

function refuse(sentence) {
  stage.innerHTML = message(sentence, 'error');
  results.innerHTML = '';
}

worker.onmessage = ({data}) => handlers[data.said](data);
worker.onerror = (event) => {
  event.preventDefault();
  handlers.failed({sentence: 'This browser cannot run the model: it is too old for it. Update it, or use the Studio\'s Recognise tab.'});
};
worker.postMessage({do: 'start', backend});

threshold.addEventListener('input', redraw);
$('#choose').addEventListener('click', () => $('#file').click());
$('#file').addEventListener('change', ({target}) => {
  if (target.files[0]) recognise(target.files[0]);
  target.value = '';
});
mountCamera($('#take'), {capture: $('#capture'), dialog: $('#camera'), use: recognise, refuse});
strip.addEventListener('click', (event) => {
  const example = event.target.closest('[data-example]');
  if (example) recognise(fetch(example.dataset.example).then((response) => response.blob()));
});
document.addEventListener('paste', (event) => {
  const file = [...event.clipboardData.files][0];
  if (file) recognise(file);
});
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('over');
});
for (const ends of ['dragleave', 'drop']) document.addEventListener(ends, () => document.body.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  if (file) recognise(file);
});

if ('serviceWorker' in navigator) {
  const before = navigator.serviceWorker.controller;
  navigator.serviceWorker.register('sw.js').then(() => navigator.serviceWorker.ready)
    .then(() => { $('#offline').hidden = false; })
    .catch((error) => console.warn('This page cannot be kept for visits without a connection:', error));
  navigator.serviceWorker.addEventListener('controllerchange', () => { $('#newer').hidden = !before; });
  $('#newer button').addEventListener('click', () => location.reload());
}
