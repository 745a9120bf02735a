// The corner of the top bar: who is signed in, and the form to do so.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  let corner, way = '';
  const of = (selector) => corner.querySelector(selector);

  async function ask(name, sent) {
    try {
      const answer = await fetch(`studio/${name}`, sent && {method: 'POST', body: JSON.stringify(sent), headers: {'Content-Type': 'application/json'}});
      return await answer.json();
    } catch {
      return {error: 'The server does not answer. Try again.'};
    }
  }

  // `signed` is heard by what waited for a name.
  async function tell() {
    const told = await ask('me');
    if (told.error) return;
    way = told.way;
    corner.hidden = !way;
    of('[role=status]').textContent = told.name ? (told.may_write ? told.name : told.says) : '';
    of('[data-signing=in]').hidden = Boolean(told.name);
    of('[data-signing=in]').textContent = way === 'hub' ? 'Sign in with Hugging Face' : 'Sign in';
    of('[data-signing=out]').hidden = !told.name;
    document.dispatchEvent(new CustomEvent('vd-signed', {detail: told}));
  }

  async function signIn(form) {
    const button = of('[type=submit]'), fields = Object.fromEntries(new FormData(form));
    button.disabled = true;
    of('[role=alert]').textContent = '';
    const told = await ask('sign-in', fields);
    button.disabled = false;
    if (told.error) {
      of('[role=alert]').textContent = told.error;
      form.elements.password.select();
      return;
    }
    form.reset();
    of('dialog').close();
    await tell();
  }

  // There and back: these are routes of Gradio's.
  function leave(route) { location.assign(`${route}?_target_url=${encodeURIComponent(location.pathname + location.search)}`); }

  async function signOut() {
    if (way === 'hub') leave('logout');
    else {
      await ask('sign-out', {});
      await tell();
    }
  }

  function mountSigning(element) {
    corner = element.querySelector('.vd-signing');
    const dialog = of('dialog');
    of('[data-signing=in]').addEventListener('click', () => (way === 'hub' ? leave('login/huggingface') : dialog.showModal()));
    of('[data-signing=close]').addEventListener('click', () => dialog.close());
    of('[data-signing=out]').addEventListener('click', signOut);
    of('form').addEventListener('submit', (event) => { event.preventDefault(); signIn(event.target); });
    tell();
  }
  return {mountSigning};
})());
