// The Retrain tab: the server draws its parts, this puts them in place, sends what is pressed, and looks again.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const BUSY_MS = 700, IDLE_MS = 5000;

  function mountRetrain(element, server) {
    const root = element.querySelector('.vd-retrain');
    const of = (selector) => root.querySelector(selector);
    // What the server calls what is drawn: it sends only parts that have changed.
    let marks = {}, shown = '';
    let later, asking = false, seen = false;

    // Only what has changed is drawn anew, so that focus and what was folded out stay.
    function draw(told) {
      for (const [name, html] of Object.entries(told.parts)) {
        const place = of(`[data-part=${name}]`);
        const open = [...place.querySelectorAll('details')].map((one) => one.open);
        const focus = place.contains(document.activeElement) && document.activeElement.dataset.retrain;
        place.innerHTML = html;
        const folds = [...place.querySelectorAll('details')];
        if (folds.length === open.length) folds.forEach((one, index) => { one.open = open[index]; });
        if (focus) place.querySelector(`[data-retrain="${focus}"]`)?.focus();
      }
      marks = told.marks;
      of('[data-retrain=start]').disabled = !told.can_start;
      of('[data-retrain=start]').textContent = told.start;
      of('[data-adapt]').disabled = Boolean(told.cannot_adapt);
      of('[data-cannot-adapt]').textContent = told.cannot_adapt;
      of('.vd-retrain-trouble').hidden = !told.trouble;
      of('.vd-retrain-trouble').textContent = told.trouble;
      document.querySelectorAll('[data-heads]').forEach((place) => { place.textContent = told.heads; });
    }

    const look = (sent) => asking || ask('retrain_look', sent);

    async function ask(name, sent) {
      asking = true;
      clearTimeout(later);
      let wait = IDLE_MS;
      try {
        const told = await server[name]({...sent, shown, have: marks});
        draw(told);
        if (told.says || name === 'retrain_do') of('.vd-retrain-says').textContent = told.says;
        wait = told.busy ? BUSY_MS : IDLE_MS;
      } catch {
        of('.vd-retrain-says').textContent = 'The app does not answer. It is asked again.';
      }
      asking = false;
      later = setTimeout(() => { if (root.checkVisibility()) look({}); }, wait);
    }

    async function fetchFile(button) {
      button.disabled = true;
      try {
        const told = await server.retrain_file({version: button.dataset.version});
        if (told.content) {
          const bytes = Uint8Array.from(atob(told.content), (letter) => letter.charCodeAt(0));
          vehicleDemo.download(new Blob([bytes], {type: 'application/zip'}), told.name);
        }
        of('.vd-retrain-says').textContent = told.says ?? '';
      } catch {
        of('.vd-retrain-says').textContent = 'The app does not answer. Try again.';
      }
      button.disabled = false;
    }

    root.addEventListener('click', (event) => {
      const button = event.target instanceof Element && event.target.closest('[data-retrain]');
      if (!button || button.disabled) return;
      if (button.dataset.retrain === 'show') {
        shown = button.dataset.version;
        Promise.resolve(look({})).then(() => of('.vd-retrain-shown').scrollIntoView({behavior: 'smooth'}));
        return;
      }
      if (button.dataset.retrain === 'file') { fetchFile(button); return; }
      button.disabled = true;
      const {retrain: action, version = '', seen: answered = ''} = button.dataset;
      const wished = [...root.querySelectorAll('[data-wish]')].filter((one) => one.value !== '');
      const wishes = Object.fromEntries(wished.map((one) => [one.dataset.wish, Number(one.value)]));
      const adapt = of('[data-adapt]').checked;
      ask('retrain_do', {action, version, seen: answered, ...(action === 'start' && {wishes, adapt})}).then(() => { if (action !== 'start') button.disabled = false; });
    });
    new IntersectionObserver(() => {
      const visible = root.checkVisibility();
      if (visible && !seen) look({afresh: true});
      seen = visible;
    }).observe(root);
  }

  return {mountRetrain};
})());
