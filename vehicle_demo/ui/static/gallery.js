// The Gallery tab: what other tabs and its own buttons ask for, the grey under the threshold, compare, and downloads.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const senders = {};

  // An element of the tab starts the server's event of this name; it reads what is wanted from vehicleDemo.
  function sends(event, send) {
    senders[event] = send;
  }

  function send(event) {
    senders[event]?.();
  }

  function ask(wanted) {
    vehicleDemo.asked = wanted;
    send('ask');
  }

  function selectTab(id) {
    document.querySelector(`button[role=tab][data-tab-id="${id}"]`)?.click();
  }

  // {row, gallery} of a gallery, or {embedding, picture, checkpoint, facts} of a vehicle that was recognised.
  function lookAlikes(wanted) {
    vehicleDemo.asked = wanted;
    selectTab('gallery');
    const began = performance.now();
    (function wait() {
      if (senders.ask) senders.ask();
      else if (performance.now() - began < 10_000) setTimeout(wait, 50);
    })();
    window.scrollTo({top: 0});
  }

  function ofCard(card) {
    const cards = card.closest('.vd-cards');
    const vehicle = JSON.parse(cards.dataset.answer).vehicles[card.dataset.vehicle];
    const facts = {plate: vehicle.plate?.text ?? ''};
    for (const kind of ['type', 'make', 'model']) facts[kind] = vehicle[kind][0].label;
    return {embedding: vehicle.embedding, picture: card.querySelector('img').src, checkpoint: cards.dataset.checkpoint, facts};
  }

  // On a phone the ways to search are folded away as soon as there is a query, until they are asked for again.
  function fold(open) {
    const part = document.querySelector('.vd-asking');
    part?.classList.toggle('vd-open', open);
    part?.querySelector('[data-again]')?.setAttribute('aria-expanded', open);
  }

  let looked;  // what the last search was for
  function foldNew() {
    const query = document.querySelector('.vd-query');
    const now = query && query.querySelector('h3').textContent + query.dataset.facts;
    fold(now === looked && Boolean(document.querySelector('.vd-asking.vd-open')));
    looked = now;
  }

  function greyed(least) {
    foldNew();
    for (const ranks of document.querySelectorAll('.vd-ranks')) {
      ranks.querySelector('.vd-nomatch')?.remove();
      const hits = [...ranks.querySelectorAll('.vd-hit')];
      const cosine = ranks.dataset.cosine === 'true';
      for (const hit of hits) hit.classList.toggle('vd-grey', cosine && Number(hit.dataset.score) < least);
      const last = hits.findLastIndex((hit) => !hit.classList.contains('vd-grey'));
      if (last + 1 < hits.length) {
        const sentence = document.createElement('li');
        sentence.className = 'vd-nomatch';
        sentence.textContent = last < 0 ? 'No confident match. The nearest are shown in grey.' : 'No confident match from here on.';
        hits[last + 1].before(sentence);
      }
      for (const map of ranks.querySelectorAll('[data-map]')) map.hidden = typeof vehicleDemo.showOnMap !== 'function';
    }
  }

  function side(title, image, facts, others) {
    const part = document.createElement('section');
    const list = document.createElement('dl');
    part.append(Object.assign(document.createElement('h3'), {textContent: title}));
    if (image) part.append(Object.assign(document.createElement('img'), {src: image.src, alt: title}));
    for (const [key, value] of facts) {
      const row = document.createElement('div');
      const differs = others.get(key) !== undefined && others.get(key) !== value;
      row.classList.toggle('vd-differs', differs);
      row.append(
        Object.assign(document.createElement('dt'), {textContent: key}),
        Object.assign(document.createElement('dd'), {textContent: differs ? `\u2260 ${value}` : value}),
      );
      list.append(row);
    }
    part.append(list);
    return part;
  }

  function compare(hit) {
    const query = document.querySelector('.vd-query');
    const [asked, found] = [query, hit].map((part) => JSON.parse(part.dataset.facts));
    const dialog = Object.assign(document.createElement('dialog'), {className: 'vd-compare'});
    const close = Object.assign(document.createElement('button'), {type: 'button', textContent: 'Close', className: 'vd-close'});
    const rank = hit.querySelector('.vd-hit-head strong').textContent;
    dialog.setAttribute('aria-label', 'Compare');
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener('close', () => { dialog.remove(); hit.querySelector('[data-compare]').focus(); });
    const pair = Object.assign(document.createElement('div'), {className: 'vd-pair'});
    pair.append(
      side('Query', query.querySelector('.vd-query-body img'), asked, new Map(found)),
      side(`Result ${rank}, ${hit.querySelector('.vd-cosine').textContent}`, hit.querySelector('img'), found, new Map(asked)),
    );
    dialog.append(close, pair);
    (hit.closest('.gradio-container') ?? document.body).append(dialog);
    dialog.showModal();
  }

  function mapAll(ranks) {
    const query = document.querySelector('.vd-query');
    vehicleDemo.showOnMap({
      gallery: ranks.dataset.gallery,
      rows: [...ranks.querySelectorAll('[data-map]')].map((button) => Number(button.dataset.map)),
      query: {title: query.querySelector('h3').textContent, picture: query.querySelector('.vd-query-body img')?.src},
    });
  }

  function saveFigure(file) {
    const bytes = Uint8Array.from(atob(file.content), (letter) => letter.charCodeAt(0));
    vehicleDemo.download(new Blob([bytes]), `rank-list.${file.kind}`);
  }

  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('button');
    if (!button) return;
    const {ask: wanted, figure, map} = button.dataset;
    if (wanted) ask(JSON.parse(wanted));
    if ('lookAlikes' in button.dataset) lookAlikes(ofCard(button.closest('.vd-card')));
    if ('again' in button.dataset) fold(button.getAttribute('aria-expanded') === 'false');
    if ('back' in button.dataset) selectTab('recognise');
    if ('compare' in button.dataset) compare(button.closest('.vd-hit'));
    if ('ranksCsv' in button.dataset) {
      vehicleDemo.download(new Blob([button.closest('.vd-ranks').dataset.csv], {type: 'text/csv'}), 'rank-list.csv');
    }
    // Where its progress is shown, and where it can be cancelled.
    if ('buildAgain' in button.dataset) {
      const part = document.querySelector('#vd-filling'), fold = part.querySelector('button.label-wrap');
      if (!fold.classList.contains('open')) fold.click();
      document.querySelector('#vd-filling-again').click();
      part.scrollIntoView({block: 'center'});
    }
    if ('mapAll' in button.dataset) mapAll(button.closest('.vd-ranks'));
    if (map) vehicleDemo.showOnMap?.({row: Number(map), gallery: button.closest('.vd-ranks').dataset.gallery});
    if (figure) {
      vehicleDemo.figureKind = figure;
      send('figure');
    }
  });
  return {asked: null, sends, send, lookAlikes, selectTab, greyed, saveFigure};
})());
