// Keeps the page itself for visits without a connection; what it downloads (runtime, graphs) the page keeps on its own.
// Before this text stands `const PAGE = {version, files, headers};`: whenever a file changes, so does this one.

const PREFIX = `vehicledino-page ${new URL('.', self.location.href).pathname} `;
const CACHE = PREFIX + PAGE.version;
const OWN = new Set(PAGE.files.map((file) => new URL(file, self.location.href).href));

self.addEventListener('install', (event) => {
  const requests = PAGE.files.map((file) => new Request(file, {cache: 'reload'}));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const old = (name) => name.startsWith(PREFIX) && name !== CACHE;
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  url.search = '';
  if (event.request.method === 'GET' && OWN.has(url.href)) event.respondWith(answer(event.request, url));
});

async function answer(request, url) {
  const found = await (await caches.open(CACHE)).match(url.href);
  if (!found) return fetch(request);
  // A host that cannot send these headers gets the threads that they allow from the second visit on.
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(PAGE.headers)) headers.set(name, value);
  return new Response(found.body, {status: found.status, headers});
}
