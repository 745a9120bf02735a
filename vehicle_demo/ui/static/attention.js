// A card's "What did it look at?": asks the server, shows its steps and its answer in the card, and changes the head.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const places = new Map();
  let asks = 0;

  function attend(card) {
    const place = card.querySelector('.vd-attention');
    asks += 1;
    places.set(asks, place);
    place.innerHTML = '<p class="vd-filling" role="status"><progress></progress><span>Waiting for its turn</span></p>';
    card.querySelector('[data-attend]').disabled = true;
    vehicleDemo.attending = {vehicle: Number(card.dataset.vehicle), ask: asks};
    vehicleDemo.send('attend');
  }

  // What the server says of an ask goes to the card that asked, which may have gone meanwhile.
  function attended(html) {
    const said = new DOMParser().parseFromString(html, 'text/html').querySelector('[data-ask]');
    const place = said && places.get(Number(said.dataset.ask));
    if (!place) return;
    place.replaceChildren(...said.childNodes);
    if (!place.querySelector('progress')) done(place);
  }

  function done(place) {
    place.closest('.vd-card').querySelector('[data-attend]').disabled = false;
  }

  function choose(button) {
    const figure = button.closest('.vd-looked');
    for (const other of figure.querySelectorAll('[data-head]')) other.setAttribute('aria-pressed', other === button);
    for (const part of figure.querySelectorAll('[data-of]')) part.hidden = part.dataset.of !== button.dataset.head;
  }

  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('button');
    if (!button) return;
    if ('attend' in button.dataset) attend(button.closest('.vd-card'));
    if ('head' in button.dataset) choose(button);
    if ('unattend' in button.dataset) {
      vehicleDemo.send('unattend');
      for (const [ask, place] of places) {
        places.delete(ask);
        if (place.querySelector('progress')) place.replaceChildren();
        if (place.isConnected) done(place);
      }
    }
  });
  return {attended};
})());
