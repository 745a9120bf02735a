// Everything that takes time: downloads, the runtime, the graphs, the photos. The page stays responsive meanwhile.

import {DownloadError, bytesOf, forgetOthers, openKept} from './downloads.js';
import {GraphError, Heads, PlateGraph, Unified} from './graphs.js';
import {PictureError, openPicture} from './pictures.js';
import {Recognizer, rounded} from './recognizer.js';

const MOST_THREADS = 4;
// Waiting threads would spin on the cores that the rest of the visitor's device needs.
const CALM = {extra: {session: {intra_op: {allow_spinning: '0'}}}};
const STAGE = 1280, CROP = 200, PLATE = 240;

let recognizer, manifest;

self.onmessage = ({data}) => {
  if (data.do === 'start') start(data.backend);
  else look(data.id, data.file);
};

async function start(wished) {
  try {
    manifest = await (await fetch(new URL('manifest.json', self.location.href))).json();
    self.postMessage({said: 'manifest', manifest});
    const names = await possible(wished);
    const loaded = await firstThatLoads(names);
    recognizer = loaded.recognizer;
    self.postMessage({said: 'ready', ...loaded.about});
  } catch (error) {
    console.error(error);
    const told = error instanceof DownloadError || error instanceof GraphError;
    self.postMessage({said: 'failed', sentence: told ? error.message : `The model could not be started here (${error.message}). Try another browser, or the Studio's Recognise tab.`});
  }
}

/** Names of the ways to run the graph here, the best first. */
async function possible(wished) {
  const gpu = 'Suspending' in WebAssembly ? 'webgpu' : 'webgpu_asyncify';
  if (wished === 'webgpu') return [gpu];
  if (wished === 'wasm') return ['wasm'];
  const adapter = await self.navigator.gpu?.requestAdapter().catch(() => null);
  // A software adapter is slower than WASM.
  const real = adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  return real ? [gpu, 'wasm'] : ['wasm'];
}

async function firstThatLoads(names) {
  for (const name of names.slice(0, -1)) {
    try {
      return await load(name);
    } catch (error) {
      if (error instanceof DownloadError) throw error;
      console.warn(`${name} cannot run the graph, so it goes on without:`, error);
    }
  }
  return load(names.at(-1));
}

async function load(name) {
  const {graphs, runtime} = manifest;
  const onGpu = name !== 'wasm';
  // Integers make WASM faster; WebGPU computes in float.
  const graph = graphs[onGpu ? 'fp32' : 'int8'] ?? Object.values(graphs)[0];
  const needed = {...runtime[name], graph, reader: manifest.reader, corners: manifest.corners, heads: manifest.heads};
  const files = await downloaded(needed);
  const ort = await import(URL.createObjectURL(new Blob([files.module], {type: 'text/javascript'})));
  const threads = self.crossOriginIsolated ? Math.min(MOST_THREADS, self.navigator.hardwareConcurrency) : 1;
  Object.assign(ort.env.wasm, {wasmBinary: files.binary, numThreads: threads});
  ort.env.logLevel = 'error';
  const session = (bytes, providers) => ort.InferenceSession.create(bytes, {executionProviders: providers, ...CALM});
  const {checkpoint, settings} = manifest;
  const taught = files.heads ? new Heads(files.heads, settings.heads) : null;
  const unified = new Unified(ort, await session(files.graph, onGpu ? ['webgpu'] : ['wasm']), settings, taught);
  const small = async (bytes, last) => (bytes ? new PlateGraph(ort, await session(bytes, ['wasm']), settings.plates_at_once, last) : null);
  const reader = await small(files.reader, taught && taught.characters);
  const found = new Recognizer(checkpoint, settings, unified, reader, await small(files.corners, null));
  return {recognizer: found, about: {backend: onGpu ? 'WebGPU' : 'WASM', threads, graph: graph.name}};
}

/** The bytes of all files by name, fetched side by side, while the page is told how far they are. */
async function downloaded(needed) {
  const kept = await openKept(`vehicledino-files ${new URL('.', self.location.href).pathname}`);
  const wanted = Object.entries(needed).filter(([, file]) => file);
  const total = wanted.reduce((sum, [, file]) => sum + file.bytes, 0);
  const loaded = {};
  let last = 0;
  const tell = (name, bytes) => {
    loaded[name] = bytes;
    const all = Object.values(loaded).reduce((sum, part) => sum + part, 0);
    if (all < total && performance.now() - last < 50) return;
    last = performance.now();
    self.postMessage({said: 'progress', loaded: all, total});
  };
  const bytes = await Promise.all(wanted.map(([name, file]) => bytesOf(file, kept, (count) => tell(name, count))));
  await forgetOthers(kept, wanted.map(([, file]) => file));
  return Object.fromEntries(wanted.map(([name], place) => [name, bytes[place]]));
}

async function look(id, file) {
  let picture;
  try {
    const began = performance.now();
    picture = await openPicture(file, manifest.limits);
    const decode = performance.now() - began;
    const answer = await recognizer.recognize(picture);
    answer.timings_ms = {decode, ...answer.timings_ms, total: decode + answer.timings_ms.total};
    self.postMessage({
      said: 'found', id, answer: rounded(answer),
      stage: await picture.jpeg(null, STAGE),
      crops: await eachJpeg(picture, answer.vehicles.map(({box}) => box), CROP),
      plates: await eachJpeg(picture, answer.vehicles.map(({plate}) => plate?.box), PLATE),
    });
  } catch (error) {
    const told = error instanceof PictureError || error instanceof GraphError;
    if (!told) console.error(error);
    self.postMessage({said: 'refused', id, sentence: told ? error.message : 'This browser could not hold or recognise this picture. Make it smaller and try once more.'});
  } finally {
    picture?.close();
  }
}

async function eachJpeg(picture, boxes, longest) {
  const found = [];
  for (const box of boxes) found.push(box ? await picture.jpeg(box, longest) : null);
  return found;
}
