// What a person said and the server does not have yet. It outlives the page, and is sent until the server has it; each
// has an identity of its own, so that what is sent twice counts once.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const BATCH = 20, PATIENCE_MS = 20_000, FIRST_WAIT_MS = 300, LONGEST_WAIT_MS = 4000;

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const identity = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

  // Storage may be switched off or full; then what is kept lives as long as the page.
  function stored(storage, key, value) {
    try {
      if (value === undefined) return window[storage].getItem(key);
      if (value === null) window[storage].removeItem(key);
      else window[storage].setItem(key, value);
    } catch { /* as above */ }
    return null;
  }

  class Outbox {
    // `name` is the tab's. What the Plates tab keeps has no name, as earlier pages kept it.
    constructor(server, name) {
      const part = name === 'plates' ? '' : `-${name}`, holder = `vehicleDemo.holder${part}`;
      Object.assign(this, {server, name, kept: `vehicleDemo.outbox${part}.`});
      this.holder = stored('sessionStorage', holder) ?? identity();
      stored('sessionStorage', holder, this.holder);
      this.entries = this.adopted();
      this.changed = () => {};
      this.refused = () => {};
      window.addEventListener('online', () => this.flush());
      this.flush();
    }

    // Of pages that were closed, and of this one before it was loaded again. Sent by two pages it still counts once.
    adopted() {
      const found = [];
      try {
        for (const key of Object.keys(localStorage).filter((key) => key.startsWith(this.kept))) {
          found.push(...JSON.parse(localStorage.getItem(key)));
          localStorage.removeItem(key);
        }
      } catch { /* no storage */ }
      stored('localStorage', this.kept + this.holder, found.length ? JSON.stringify(found) : null);
      return found;
    }

    // The server's answer, or undefined when there is none.
    async ask(name, sent, patience = PATIENCE_MS) {
      try {
        return await Promise.race([this.server[name](sent), pause(patience)]);
      } catch {
        return undefined;
      }
    }

    // One after the other, so that what the server counts is never half of what is on its way to it.
    askInTurn(name, sent) {
      const answer = (this.turn ?? Promise.resolve()).then(() => this.ask(name, sent));
      this.turn = answer;
      return answer;
    }

    push(entry) {
      const client = identity();
      this.entries.push({client, ...entry});
      this.keep();
      this.flush();
      return client;
    }

    keep() {
      stored('localStorage', this.kept + this.holder, this.entries.length ? JSON.stringify(this.entries) : null);
      this.changed();
    }

    async flush() {
      if (this.sending) return;
      this.sending = true;
      let wait = FIRST_WAIT_MS, size = BATCH;
      while (this.entries.length) {
        const said = this.entries.slice(0, size).map(({undid, ...entry}) => entry);
        const told = await this.askInTurn(`${this.name}_say`, {holder: this.holder, said});
        const settled = new Set([...(told?.taken ?? []), ...(told?.refused ?? []).map((one) => one.client)]);
        // What is not understood holds up nothing but itself: it is sent alone, and then left.
        if (told?.lasting && said.length === 1) settled.add(said[0].client);
        if (told?.lasting) size = 1;
        this.problem = told ? told.error : 'The server does not answer.';
        this.entries = this.entries.filter((entry) => !settled.has(entry.client));
        this.keep();
        for (const {says} of told?.refused ?? []) this.refused(says);
        if (!told || (told.error && !told.lasting)) {
          await pause(wait);
          wait = Math.min(wait * 1.6, LONGEST_WAIT_MS);
        } else wait = FIRST_WAIT_MS;
      }
      this.problem = undefined;
      this.sending = false;
      this.changed();
    }
  }

  return {Outbox, stored};
})());
