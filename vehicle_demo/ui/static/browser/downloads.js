// Files that are named by what is in them: fetched once, verified, kept for the next visit.

/** A file that cannot be had; its message is a sentence for the visitor. */
export class DownloadError extends Error {}

/** Where they are kept, or null where the browser keeps nothing (it is no secure context, or forbids it). */
export async function openKept(name) {
  try {
    return await self.caches.open(name);
  } catch {
    return null;
  }
}

/** The bytes of {url, bytes, integrity}; `tell` hears how many of them have come so far. Throws DownloadError. */
export async function bytesOf(file, kept, tell) {
  const url = new URL(file.url, self.location.href).href;
  const had = await kept?.match(url);
  if (had) {
    tell(file.bytes);
    return had.arrayBuffer();
  }
  const bytes = await received(url, file, tell);
  if (self.crypto.subtle && (await digest(bytes)) !== file.integrity) {
    throw new DownloadError(`${nameOf(url)} is not the file that this page was made for. Reload the page, or tell whoever runs it.`);
  }
  // Without room it is fetched again at the next visit.
  await kept?.put(url, new Response(bytes, {headers: {'content-length': String(bytes.byteLength)}})).catch(() => {});
  return bytes.buffer;
}

async function received(url, file, tell) {
  // Where this page cannot compute digests, the browser does, but then it hands out nothing before the end.
  const options = self.crypto.subtle ? {} : {integrity: file.integrity};
  const failed = (why) => new DownloadError(`${nameOf(url)} could not be downloaded (${why}). Look to the connection and reload the page.`);
  let response;
  try {
    response = await fetch(url, {...options, mode: 'cors', credentials: 'same-origin'});
    if (!response.ok) throw failed(`the server answered ${response.status}`);
    const bytes = new Uint8Array(file.bytes);
    let loaded = 0;
    for (const reader = response.body.getReader(); ;) {
      const {done, value} = await reader.read();
      if (done) break;
      if (loaded + value.length > bytes.length) throw failed('it is longer than it should be');
      bytes.set(value, loaded);
      loaded += value.length;
      tell(loaded);
    }
    if (loaded < bytes.length) throw failed('it broke off');
    return bytes;
  } catch (error) {
    throw error instanceof DownloadError ? error : failed('no connection');
  }
}

const nameOf = (url) => url.slice(url.lastIndexOf('/') + 1);

async function digest(bytes) {
  const hash = new Uint8Array(await self.crypto.subtle.digest('SHA-384', bytes));
  return `sha384-${btoa(String.fromCharCode(...hash))}`;
}

/** Forget what is kept and none of these files. */
export async function forgetOthers(kept, files) {
  const wanted = new Set(files.map((file) => new URL(file.url, self.location.href).href));
  for (const request of (await kept?.keys()) ?? []) if (!wanted.has(request.url)) await kept.delete(request);
}
