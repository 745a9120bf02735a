// A desk: items of the queue one after the other, answered by keyboard; what is common to the Plates and the Review tab.
// A tab's own desk says how an item is drawn, what keys mean, and in which words.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const EMPTY_MS = 15_000, AGAIN_MS = 2000, TOAST_MS = 6000, OPENS_MS = 10_000, EXPORT_MS = 600_000, RENEWS_MS = 60_000;
  const stored = (...asked) => vehicleDemo.stored(...asked);
  const outboxes = {}, desks = {};

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const percent = (score) => `${Math.round(score * 100)}%`;
  const openKey = (name) => `vehicleDemo.${name}.open`;

  function make(tag, attributes = {}, ...children) {
    const svg = ['svg', 'polygon', 'circle', 'g', 'rect'].includes(tag);
    const element = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  class Desk {
    // `settles`: the kinds of answer that are done with an item; `amends`: the one that changes where it is; `enough`:
    // items below which more are asked for; `peopled`: others' answers may be looked at.
    constructor(root, name, {thing, things, settles, amends, enough, peopled = false}) {
      Object.assign(this, {root, name, thing, things, settles, amends, enough, peopled, outbox: outboxes[name]});
      this.of = (selector) => root.querySelector(selector);
      Object.assign(this, {items: new Map(), list: [], done: [], takenBack: [], undone: new Set(), chosen: {}, turn: 0});
      Object.assign(this, {wanted: [], afresh: false, progress: {done: 0, total: 0}});
    }

    begin() {
      desks[this.name] = this;
      this.listen();
      this.outbox.changed = () => this.sent();
      this.outbox.refused = (sentence) => this.toast(sentence);
      this.sent();
      new IntersectionObserver(() => this.seen()).observe(this.root);
      // What is shown stays with this page for as long as it is open, not for ever.
      setInterval(() => { if (this.visible) this.fill(); }, RENEWS_MS);
    }

    get current() { return this.items.get(this.list[0]); }
    get visible() { return this.root.checkVisibility(); }

    seen() {
      const visible = this.visible;
      stored('sessionStorage', openKey(this.name), visible ? '1' : null);
      if (visible && !this.current) this.fill();
      else if (visible) this.focus();
    }

    // ---- the server ----

    ask(what, sent, patience) { return this.outbox.ask(`${this.name}_${what}`, sent, patience); }

    async fill({first = [], afresh = false} = {}) {
      this.wanted.push(...first);
      this.afresh ||= afresh;
      if (this.filling) return;
      this.filling = true;
      clearTimeout(this.later);
      let told;
      do {
        const asked = {holder: this.outbox.holder, chosen: this.chosen, first: this.wanted, afresh: this.afresh};
        const had = new Set([...this.list, ...this.outbox.entries.map((one) => one.item)]);
        asked.have = [...had].filter((id) => !this.wanted.includes(id));
        [this.wanted, this.afresh] = [[], false];
        const turn = this.turn;
        told = await this.outbox.askInTurn(`${this.name}_take`, asked);
        if (!told || told.error) {
          [this.wanted, this.afresh] = [[...asked.first, ...this.wanted], asked.afresh || this.afresh];
          if (!this.current) this.say(told?.error ?? 'The server does not answer. It is asked again.', true);
          await pause(AGAIN_MS);
        } else if (turn === this.turn) this.taken(told, asked.first);
      } while (!told || told.error || this.wanted.length || this.afresh);
      this.filling = false;
      if (!this.current) this.show();
      if (!this.current && this.visible) this.later = setTimeout(() => this.fill(), EMPTY_MS);
    }

    taken(told, first) {
      const pending = new Set(this.outbox.entries.filter((one) => one.kind !== this.amends).flatMap((one) => [one.item, ...one.also ?? []]));
      for (const item of told.items) {
        this.items.set(item.id, item);
        new Image().src = item.picture;
        if (!this.list.includes(item.id) && !first.includes(item.id) && !pending.has(item.id)) this.list.push(item.id);
      }
      const come = first.filter((id) => told.items.some((item) => item.id === id));
      const before = this.list[0];
      if (come.length) this.list = [...come, ...this.list.filter((id) => !come.includes(id))];
      const waiting = this.outbox.entries.reduce((sum, one) => sum + this.counts(one), 0);
      this.pace = {...told.pace, answers: told.pace.answers + waiting};
      this.progress = {...told.progress, done: told.progress.done + waiting};
      this.tellChoices(told.choices);
      if (first.length > come.length) this.toast(`Someone else is looking at this ${this.thing} now.`);
      if (this.list[0] !== before || !this.shown) this.show();
      else this.tellAround();
    }

    counts(one) {
      const many = 1 + (one.also?.length ?? 0);
      if (this.settles.includes(one.kind)) return many;
      if (!this.settles.includes(one.undid)) return 0;
      return one.kind === 'undo' ? -many : many;
    }

    push(entry) {
      this.progress.done += this.counts(entry);
      if (this.pace) this.pace.answers += this.counts(entry);
      return this.outbox.push(entry);
    }

    sent() {
      const line = this.of('.vd-work-saved'), waiting = this.outbox.entries.length, problem = this.outbox.problem;
      line.classList.toggle('vd-unsure', Boolean(problem));
      line.dataset.waiting = waiting;
      if (!waiting) line.textContent = this.done.length ? 'All saved' : '';
      else if (problem) line.textContent = `${problem} ${waiting} waiting, kept in this browser and sent again.`;
      else line.textContent = `Saving ${waiting}`;
      if (!waiting && this.visible && this.list.length < this.enough) this.fill();
    }

    // ---- what a person says ----

    spent() { return Math.min(Math.round((performance.now() - this.began) / 10) / 100, 86_400); }

    // `says` is what the strip and the toast call it.
    settle(kind, says, more = {}) {
      const item = this.current;
      if (!item) return;
      const client = this.push({item: item.id, kind, seconds: this.spent(), ...more});
      this.done.push({client, item: item.id, kind, says, also: more.also});
      this.takenBack = [];
      this.toast(says[0].toUpperCase() + says.slice(1), true);
      this.list.shift();
      this.show();
      if (this.list.length < this.enough) this.fill();
    }

    async undo(last = this.done.pop()) {
      if (!last) {
        const told = await this.ask('history', {count: 20});
        last = Array.isArray(told) && told.find((one) => !this.undone.has(one.client));
      }
      if (!last) {
        this.toast('There is nothing to undo.');
        return;
      }
      this.undone.add(last.client);
      this.push(this.reversed('undo', last));
      this.toast('Undone');
      if (last.kind === this.amends) {
        if (last.was && this.current?.id === last.item) this.amend(last.was, false);
        return;
      }
      this.takenBack.push(last);
      this.list = this.list.filter((id) => id !== last.item);
      if (this.items.has(last.item)) {
        this.list.unshift(last.item);
        this.show();
      } else this.fill({first: [last.item]});
    }

    redo() {
      const last = this.takenBack.pop();
      if (!last) {
        this.toast('There is nothing to redo.');
        return;
      }
      this.undone.delete(last.client);
      this.push(this.reversed('redo', last));
      this.done.push({...last, says: last.says ?? last.kind});
      this.list = this.list.filter((id) => id !== last.item);
      this.toast('Redone', true);
      this.show();
      if (this.list.length < this.enough) this.fill();
    }

    reversed(kind, last) {
      return {item: last.item, kind, undoes: last.client, undid: last.kind, ...(last.also ? {also: last.also} : {})};
    }

    // Where the item is, or is said to be, changes: it is looked at anew there.
    async amend(value, says = true) {
      const item = this.current, field = this.amends, was = item[field];
      item[field] = value;
      this.drawPlace();
      const told = await this.ask('look', {item: item.id, [field]: value});
      if (!told || told.error) {
        item[field] = was;
        if (item === this.current) this.drawPlace();
        this.toast(told?.error ?? `The server does not answer. The ${field} stays as it was.`);
        return;
      }
      if (says) {
        const client = this.push({item: item.id, kind: field, [field]: value});
        this.done.push({client, item: item.id, kind: field, was});
      }
      Object.assign(item, told);
      if (item === this.current) this.drawAmended(item);
    }

    // ---- what is shown ----

    show() {
      const item = this.current;
      this.shown = item !== undefined;
      this.of('.vd-work-desk').hidden = !item;
      if (item) {
        this.of('.vd-work-says').hidden = true;
        this.began = performance.now();
        this.draw(item);
        this.focus();
      } else this.say(this.filling || this.outbox.entries.length ? `Getting the next ${this.thing}.` : this.nothing());
      this.tellAround();
    }

    say(sentence, failed = false) {
      const line = this.of('.vd-work-says');
      Object.assign(line, {hidden: false, textContent: sentence});
      line.classList.toggle('vd-error', failed);
    }

    toast(sentence, undoes = false) {
      const toast = this.of('.vd-work-toast');
      toast.replaceChildren(make('span', {}, sentence));
      if (undoes) toast.append(make('button', {type: 'button', 'data-command': 'undo'}, 'Undo'));
      clearTimeout(this.toasting);
      this.toasting = setTimeout(() => toast.replaceChildren(), TOAST_MS);
    }

    tellAround() {
      const {done, total} = this.progress, bar = this.of('.vd-work-progress progress');
      [bar.max, bar.value] = [Math.max(total, 1), done];
      const pace = this.pace?.answers ? `, ${this.pace.answers} yours` + (this.pace.median_s ? `, ${this.pace.median_s.toFixed(1)} s each` : '') : '';
      this.of('.vd-work-progress span').textContent = `${done} of ${total} ${this.things}${this.alsoLeft?.() ?? ''}${pace}`;
      const part = (kind, item, text) => make('li', {class: kind, ...(kind === 'vd-now' ? {'aria-current': 'true'} : {})},
        make('img', {src: item?.small ?? item?.picture ?? '', alt: ''}), make('span', {}, text || '\u2013'));
      const before = this.done.filter((one) => one.kind !== this.amends).slice(-3);
      this.of('.vd-work-strip').replaceChildren(
        ...before.map((one) => part('vd-before', this.items.get(one.item), `${one.kind === 'answer' ? '\u2713 ' : ''}${one.says}`)),
        ...this.list.slice(0, 4).map((id, place) => part(place ? 'vd-after' : 'vd-now', this.items.get(id), this.items.get(id).text)),
      );
    }

    tellChoices(choices) {
      for (const menu of this.root.querySelectorAll('[data-filter]')) {
        const values = choices[`${menu.dataset.filter}s`], chosen = menu.value;
        menu.replaceChildren(make('option', {value: ''}, 'all'), ...values.map((value) => make('option', {value}, value)));
        menu.value = chosen;
      }
    }

    // Whose answers can be looked at, where there is anybody else.
    async tellPeople() {
      const menu = this.of('[data-of]'), people = this.peopled ? await this.ask('people', {}) : [];
      if (!Array.isArray(people)) return;
      const chosen = menu.value;
      menu.replaceChildren(make('option', {value: ''}, 'you'), ...people.map((name) => make('option', {value: name}, name)));
      menu.value = people.includes(chosen) ? chosen : '';
      menu.parentElement.hidden = !people.length;
    }

    async tellHistory() {
      const of = this.of('[data-of]').value;
      const list = this.of('.vd-work-history ol'), told = await this.ask('history', {count: 50, ...(of ? {of} : {})});
      if (!Array.isArray(told)) { list.replaceChildren(make('li', {}, told?.error ?? 'The server does not answer.')); return; }
      list.replaceChildren(...told.map((one) => make('li', {}, make('time', {datetime: one.at}, new Date(one.at).toLocaleTimeString()),
        make('span', {}, this.inWords(one)), make('button', {type: 'button', 'data-again': one.item}, 'Look again'))));
      if (!told.length) list.append(make('li', {}, 'Nothing yet.'));
    }

    async export(button) {
      button.disabled = true;
      const told = await this.ask('export', {kind: button.dataset.export}, EXPORT_MS);
      button.disabled = false;
      if (!told || told.error) { this.toast(told?.error ?? 'The server does not answer. Try again.'); return; }
      const bytes = Uint8Array.from(atob(told.content), (letter) => letter.charCodeAt(0));
      vehicleDemo.download(new Blob([bytes]), told.name);
    }

    filter(name, value) {
      this.chosen = {...this.chosen, [name]: value};
      [this.list, this.shown] = [[], false];
      this.turn += 1;
      this.show();
      this.fill({afresh: true});
    }

    // This filter alone, as if it had been chosen here.
    only(name, value) {
      this.root.querySelectorAll('.vd-work-filters select').forEach((menu) => { menu.value = ''; });
      const menu = this.of(`[data-filter="${name}"]`);
      if (![...menu.options].some((option) => option.value === value)) menu.append(make('option', {value}, value));
      menu.value = value;
      this.chosen = {};
      this.filter(name, value);
    }

    // ---- keys, touch, pointer ----

    // Keys typed into fields, and those of the browser and the system, are no commands; `takes` names the own fields.
    key(event) {
      if (!this.visible || event.ctrlKey || event.metaKey || event.isComposing) return;
      const target = event.target instanceof Element ? event.target : document.body, own = this.takes(target);
      if (!own && target.closest('input, select, textarea, [contenteditable=true], dialog')) return;
      if (!own && target !== document.body && !this.root.contains(target)) return;
      const act = event.key === '?' && !event.altKey
        ? () => this.of('.vd-work-keys').classList.toggle('vd-all') : this.meant(event, target);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    }

    command(name) {
      ({undo: () => this.undo(), redo: () => this.redo(), skip: () => this.settle('skip', 'skipped'), ...this.commands()})[name]();
    }

    // Of a key that is held down the first counts alone.
    once(event, name) { return event.repeat ? () => {} : () => this.command(name); }

    listen() {
      document.addEventListener('keydown', (event) => this.key(event), true);
      this.root.addEventListener('pointerdown', (event) => {
        if (event.target.closest('.vd-work-commands, .vd-work-toast, [data-keeps-focus]')) event.preventDefault();
      });
      this.root.addEventListener('click', (event) => {
        const button = event.target.closest('button');
        if (!button) return;
        const {command, again} = button.dataset;
        if (button.dataset.export) this.export(button);
        if (command) { this.command(command); this.focus(); }
        if (again) { this.fill({first: [Number(again)]}); this.root.scrollIntoView({block: 'start'}); }
      });
      this.root.addEventListener('change', (event) => {
        const {filter} = event.target.dataset, value = event.target.value;
        if (filter) this.filter(filter, value === '' ? null : filter === 'length' ? Number(value) : value);
      });
      this.of('.vd-work-history').addEventListener('toggle', async (event) => {
        if (!event.target.open) return;
        await this.tellPeople();
        this.tellHistory();
      });
      this.of('[data-of]').addEventListener('change', () => this.tellHistory());
    }
  }

  // Of an element that is in the page before any tab is opened: what an earlier page could not send goes out at once.
  function deskServer(name, server) {
    outboxes[name] = new vehicleDemo.Outbox(server, name);
    // The page was loaded again, by its visitor or because the server was started again: back to where it was.
    if (stored('sessionStorage', openKey(name))) open(name);
  }

  function open(name, then = () => {}) {
    const began = performance.now();
    (function wait() {
      vehicleDemo.selectTab(name);
      if (desks[name]?.visible) then(desks[name]);
      else if (performance.now() - began < OPENS_MS) setTimeout(wait, 100);
    })();
  }

  // A card's vehicle, or its plate, is in the queue now: `said` has its number, or what is wrong.
  function deskReady(name, said) {
    if (said?.error) { alertOf(said.error); return; }
    open(name, (desk) => {
      desk.of('[data-back]').hidden = false;
      desk.fill({first: [said.item]});
      window.scrollTo({top: 0});
    });
  }

  function openDesk(name, filter, value) {
    open(name, (desk) => {
      desk.only(filter, value);
      window.scrollTo({top: 0});
    });
  }

  // There may be more in the queue than there was.
  function refill(name) { desks[name]?.fill(); }

  // Beside the card whose button was pressed.
  function alertOf(sentence) {
    const line = make('p', {class: 'vd-unsure', role: 'alert'}, sentence);
    vehicleDemo.cardAsked.card.querySelectorAll('[role=alert]').forEach((old) => old.remove());
    vehicleDemo.cardAsked.card.append(line);
  }

  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('[data-to-desk]');
    if (!button) return;
    const card = button.closest('.vd-card'), answer = JSON.parse(card.closest('.vd-cards').dataset.answer);
    const asked = {box: answer.vehicles[card.dataset.vehicle].box};
    Object.defineProperty(asked, 'card', {value: card});  // not sent
    vehicleDemo.cardAsked = asked;
    vehicleDemo.send(button.dataset.toDesk);
  });
  return {Desk, deskServer, deskReady, openDesk, refill, make, percent, cardAsked: null};
})());
