// Boxes and cards belong together: hover lights both, click opens the card, the threshold hides both.
// Of new results the first card in view is open; after that cards open and close as their reader likes.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const of = (element) => element.closest('.vd-box, .vd-card');
  const partners = (index) => document.querySelectorAll(`.vd-box[data-vehicle="${index}"], .vd-card[data-vehicle="${index}"]`);

  function light(event, on) {
    const item = event.target instanceof Element && of(event.target);
    if (item) partners(item.dataset.vehicle).forEach((other) => other.classList.toggle('vd-lit', on));
  }

  function openCard(index) {
    const card = document.querySelector(`.vd-card[data-vehicle="${index}"]`);
    if (!card) return;
    card.open = true;
    card.scrollIntoView({block: 'nearest', behavior: 'smooth'});
    card.querySelector('summary').focus({preventScroll: true});
  }

  function redraw(threshold) {
    let shown = 0;
    document.querySelectorAll('.vd-box, .vd-card').forEach((item) => {
      const visible = Number(item.dataset.score) >= threshold;
      item.toggleAttribute('hidden', !visible);
      item.style.display = visible ? '' : 'none';
      if (visible && item.matches('.vd-card')) shown += 1;
    });
    document.querySelectorAll('.vd-cards:not([data-begun])').forEach((cards) => {
      const first = [...cards.querySelectorAll('.vd-card')].find((card) => !card.hidden);
      if (first) {
        first.open = true;
        cards.dataset.begun = '';
      }
    });
    document.querySelectorAll('.vd-count').forEach((count) => {
      count.textContent = shown === 1 ? '1 vehicle' : `${shown} vehicles`;
    });
    document.querySelectorAll('.vd-none').forEach((none) => { none.hidden = shown > 0; });
    document.querySelectorAll('.vd-api pre').forEach((call) => {
      call.textContent = call.dataset.template.replace('{address}', location.origin + location.pathname);
    });
  }

  function download(blob, name) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function save(cards, kind) {
    const text = kind === 'json' ? JSON.stringify(JSON.parse(cards.dataset.answer), null, 1) : cards.dataset.csv;
    download(new Blob([text], {type: kind === 'json' ? 'application/json' : 'text/csv'}), `vehicles.${kind}`);
  }

  document.addEventListener('mouseover', (event) => light(event, true));
  document.addEventListener('mouseout', (event) => light(event, false));
  document.addEventListener('focusin', (event) => light(event, true));
  document.addEventListener('focusout', (event) => light(event, false));
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element)) return;
    const box = event.target.closest('.vd-box');
    if (box) openCard(box.dataset.vehicle);
    const download = event.target.closest('[data-download]');
    if (download) save(download.closest('.vd-cards'), download.dataset.download);
    const copy = event.target.closest('[data-copy]');
    if (copy) navigator.clipboard?.writeText(copy.closest('.vd-api').querySelector('pre').textContent)
      .then(() => { copy.textContent = 'Copied'; setTimeout(() => { copy.textContent = 'Copy'; }, 1500); });
    event.target.closest('[role=tab]')?.scrollIntoView({block: 'nearest', inline: 'nearest'});
    if (event.target.closest('a[href="#vd-card"]')) document.querySelector('#vd-card button')?.click();
  });
  document.addEventListener('keydown', (event) => {
    const box = event.target instanceof Element && event.target.closest('.vd-box');
    if (box && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      openCard(box.dataset.vehicle);
    }
  });
  return {redraw, download};
})());
