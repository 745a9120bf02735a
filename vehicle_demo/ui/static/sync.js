// A line on labels that are kept far away too, wherever `data-sync` is, while somebody can see it.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const EVERY_MS = 10_000;
  let server;

  async function tell() {
    const lines = [...document.querySelectorAll('[data-sync]')].filter((line) => line.parentElement.checkVisibility());
    if (!lines.length) return;
    const told = await server.sync_state({}).catch(() => undefined);
    if (!told) return;  // that the server does not answer is said elsewhere
    const says = (told.says ?? '').replace('{at}', told.at && new Date(told.at).toLocaleTimeString());
    for (const line of lines) {
      if (line.textContent !== says) line.textContent = says;
      line.classList.toggle('vd-unsure', Boolean(told.failed));
    }
  }

  function syncServer(given) {
    server = given;
    setInterval(tell, EVERY_MS);
    document.addEventListener('vd-signed', tell);
    document.addEventListener('click', (event) => {
      if (event.target instanceof Element && event.target.closest('[role=tab]')) setTimeout(tell, 500);
    });
  }
  return {syncServer};
})());
