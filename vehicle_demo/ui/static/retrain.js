// The Retrain tab: the server draws its parts, this puts them in place, sends what is pressed, and looks again.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const BUSY_MS = 700, IDLE_MS = 5000;

  function mountRetrain(element, server) {
    const root = element.querySelector('.vd-retrain');
    const of = (selector) => root.querySelector(selector);
    const drawn = {};
    let later, asking = false, seen = false;

    // Only what has changed is drawn anew, so that focus and what was folded out stay.
    function draw(told) {
      for (const place of root.querySelectorAll('[data-part]')) {
        const html = told[place.dataset.part];
        if (drawn[place.dataset.part] === html) continue;
        const open = [...place.querySelectorAll('details')].map((one) => one.open);
        const focus = place.contains(document.activeElement) && document.activeElement.dataset.retrain;
        place.innerHTML = drawn[place.dataset.part] = html;
        const folds = [...place.querySelectorAll('details')];
        if (folds.length === open.length) folds.forEach((one, index) => { one.open = open[index]; });
        if (focus) place.querySelector(`[data-retrain="${focus}"]`)?.focus();
      }
      of('[data-retrain=start]').disabled = !told.can_start;
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
        const told = await server[name](sent);
        draw(told);
        if (told.says || name === 'retrain_do') of('.vd-retrain-says').textContent = told.says;
        wait = told.busy ? BUSY_MS : IDLE_MS;
      } catch {
        of('.vd-retrain-says').textContent = 'The app does not answer. It is asked again.';
      }
      asking = false;
      later = setTimeout(() => { if (root.checkVisibility()) look({}); }, wait);
    }

    root.addEventListener('click', (event) => {
      const button = event.target instanceof Element && event.target.closest('[data-retrain]');
      if (!button || button.disabled) return;
      button.disabled = true;
      const {retrain: action, version = '', seen: answered = ''} = button.dataset;
      ask('retrain_do', {action, version, seen: answered}).then(() => { if (action !== 'start') button.disabled = false; });
    });
    new IntersectionObserver(() => {
      const visible = root.checkVisibility();
      if (visible && !seen) look({afresh: true});
      seen = visible;
    }).observe(root);
  }

  return {mountRetrain};
})());
