// The Plates tab: cells to type in. What a person says goes into the outbox; see there.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const DRAFT = 'vehicleDemo.plates.draft', OPEN = 'vehicleDemo.plates.open';
  const SETTLES = ['answer', 'not readable', 'no plate'];
  const CORNERS = ['Upper left', 'Upper right', 'Lower right', 'Lower left'];
  const ENOUGH = 4, EMPTY_MS = 15_000, AGAIN_MS = 2000, TOAST_MS = 6000, OPENS_MS = 10_000, EXPORT_MS = 600_000, RENEWS_MS = 60_000;
  let outbox, desk;  // the page's, and the tab once it has been opened

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const percent = (score) => `${Math.round(score * 100)}%`;
  const {stored} = vehicleDemo;

  function make(tag, attributes = {}, ...children) {
    const svg = ['svg', 'polygon', 'circle', 'g'].includes(tag);
    const element = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  class PlateDesk {
    constructor(root) {
      this.root = root;
      this.of = (selector) => root.querySelector(selector);
      this.inputs = [...root.querySelectorAll('.vd-slot input')];
      Object.assign(this, JSON.parse(root.dataset.hints));
      Object.assign(this, {items: new Map(), list: [], done: [], drafts: new Map(), undone: new Set(), chosen: {}, turn: 0});
      Object.assign(this, {wanted: [], afresh: false, progress: {done: 0, total: 0}});
      const draft = JSON.parse(stored('sessionStorage', DRAFT) ?? 'null');
      if (draft) this.drafts.set(draft.item, draft.cells);
      this.listen();
      outbox.changed = () => this.sent();
      outbox.refused = (sentence) => this.toast(sentence);
      this.sent();
      new IntersectionObserver(() => this.seen()).observe(root);
      // What is shown stays with this page for as long as it is open, not for ever.
      setInterval(() => { if (this.visible) this.fill(); }, RENEWS_MS);
    }

    get current() { return this.items.get(this.list[0]); }
    get visible() { return this.root.checkVisibility(); }

    seen() {
      const visible = this.visible;
      stored('sessionStorage', OPEN, visible ? '1' : null);
      if (visible && !this.current) this.fill();
      else if (visible) this.focusCell(this.place);
    }

    // ---- the server ----

    async fill({first = [], afresh = false} = {}) {
      this.wanted.push(...first);
      this.afresh ||= afresh;
      if (this.filling) return;
      this.filling = true;
      clearTimeout(this.later);
      let told;
      do {
        const asked = {holder: outbox.holder, chosen: this.chosen, first: this.wanted, afresh: this.afresh};
        const had = new Set([...this.list, ...outbox.entries.map((one) => one.item)]);
        asked.have = [...had].filter((id) => !this.wanted.includes(id));
        [this.wanted, this.afresh] = [[], false];
        const turn = this.turn;
        told = await outbox.askInTurn('plates_take', asked);
        if (!told || told.error) {
          [this.wanted, this.afresh] = [[...asked.first, ...this.wanted], asked.afresh || this.afresh];
          if (!this.current) this.say(told?.error ?? 'The server does not answer. It is asked again.', true);
          await pause(AGAIN_MS);
        } else if (turn === this.turn) this.taken(told, asked.first);
      } while (!told || told.error || this.wanted.length || this.afresh);
      this.filling = false;
      if (!this.current && this.visible) this.later = setTimeout(() => this.fill(), EMPTY_MS);
    }

    taken(told, first) {
      const pending = new Set(outbox.entries.filter((one) => one.kind !== 'corners').map((one) => one.item));
      for (const item of told.items) {
        this.items.set(item.id, item);
        new Image().src = item.picture;
        if (!this.list.includes(item.id) && !first.includes(item.id) && !pending.has(item.id)) this.list.push(item.id);
      }
      const come = first.filter((id) => told.items.some((item) => item.id === id));
      const before = this.list[0];
      if (come.length) this.list = [...come, ...this.list.filter((id) => !come.includes(id))];
      this.pace = told.pace;
      this.progress = {...told.progress, done: told.progress.done + outbox.entries.reduce((sum, one) => sum + this.counts(one), 0)};
      this.tellChoices(told.choices);
      if (first.length > come.length) this.toast('Someone else is looking at this plate now.');
      if (this.list[0] !== before || !this.shown) this.show();
      else this.tellAround();
    }

    counts(one) {
      if (SETTLES.includes(one.kind)) return 1;
      return one.kind === 'undo' && SETTLES.includes(one.undid) ? -1 : 0;
    }

    push(entry) {
      this.progress.done += this.counts(entry);
      return outbox.push(entry);
    }

    sent() {
      const line = this.of('.vd-plates-saved'), waiting = outbox.entries.length;
      line.classList.toggle('vd-unsure', Boolean(outbox.problem));
      line.dataset.waiting = waiting;
      if (!waiting) line.textContent = this.done.length ? 'All saved' : '';
      else if (outbox.problem) line.textContent = `${outbox.problem} ${waiting} waiting, kept in this browser and sent again.`;
      else line.textContent = `Saving ${waiting}`;
      if (!waiting && this.visible && this.list.length < ENOUGH) this.fill();
    }

    // ---- what a person says ----

    spent() { return Math.min(Math.round((performance.now() - this.began) / 10) / 100, 86_400); }

    settle(kind, text) {
      const item = this.current;
      if (!item) return;
      const client = this.push({item: item.id, kind, seconds: this.spent(), ...(text ? {text} : {})});
      this.done.push({client, item: item.id, kind, text: text ?? (kind === 'skip' ? 'skipped' : kind)});
      this.drafts.set(item.id, this.cells);
      this.toast(kind === 'answer' ? text : kind === 'skip' ? 'Skipped' : kind[0].toUpperCase() + kind.slice(1), true);
      this.list.shift();
      this.show();
      if (this.list.length < ENOUGH) this.fill();
    }

    accept() {
      const text = this.cells.join('');
      if (text) this.settle('answer', text);
      else if (this.current) this.hint('Nothing is written. Alt X says it is not readable, Alt N that there is no plate.');
    }

    async undo(last = this.done.pop()) {
      if (!last) {
        const told = await outbox.ask('plates_history', {count: 20});
        last = Array.isArray(told) && told.find((one) => !this.undone.has(one.client));
      }
      if (!last) {
        this.toast('There is nothing to undo.');
        return;
      }
      this.undone.add(last.client);
      this.push({item: last.item, kind: 'undo', undoes: last.client, undid: last.kind});
      this.toast('Undone');
      if (last.kind === 'corners') {
        if (last.was && this.current?.id === last.item) this.look(last.was, false);
        return;
      }
      this.list = this.list.filter((id) => id !== last.item);
      if (this.items.has(last.item)) {
        this.list.unshift(last.item);
        this.show();
      } else this.fill({first: [last.item]});
    }

    async look(corners, says = true) {
      const item = this.current, was = item.corners;
      item.corners = corners;
      this.drawCorners();
      const told = await outbox.ask('plates_look', {item: item.id, corners});
      if (!told || told.error) {
        item.corners = was;
        if (item === this.current) this.drawCorners();
        this.toast(told?.error ?? 'The server does not answer. The corners stay where they were.');
        return;
      }
      if (says) {
        const client = this.push({item: item.id, kind: 'corners', corners});
        this.done.push({client, item: item.id, kind: 'corners', was});
      }
      Object.assign(item, told);
      if (item !== this.current) return;
      this.of('.vd-plates-front').src = item.picture;
      this.cells = this.cells.map((own, place) => (this.typed[place] ? own : item.slots[place]?.[0][0] ?? ''));
      this.drawCells();
    }

    // ---- what is shown ----

    show() {
      const item = this.current;
      this.shown = item !== undefined;
      this.of('.vd-plates-desk').hidden = !item;
      if (!item) {
        this.say(this.filling || outbox.entries.length ? 'Getting the next plate.'
          : 'No plate is left here. Change the filter, or send one from a card in Recognise.');
        this.tellAround();
        return;
      }
      this.of('.vd-plates-says').hidden = true;
      const read = this.inputs.map((_, place) => item.slots[place]?.[0][0] ?? '');
      const own = this.drafts.get(item.id) ?? (item.said ? this.inputs.map((_, place) => item.said[place] ?? '') : read);
      this.cells = [...own];
      this.typed = own.map((character, place) => character !== read[place]);
      this.began = performance.now();
      this.of('.vd-plates-front').src = item.picture;
      this.drawView('.vd-plates-near', item.near, true);
      this.drawView('.vd-plates-around', item.around, false);
      this.of('.vd-plates-around figcaption').textContent = 'The vehicle';
      this.drawCells();
      const sureness = this.inputs.map((_, place) => item.slots[place]?.[0][1] ?? 0);
      this.place = sureness.indexOf(Math.min(...sureness));
      this.focusCell(this.place);
      this.tellAround();
    }

    drawCells() {
      this.inputs.forEach((input, place) => {
        const slot = this.current.slots[place] ?? [], own = this.cells[place], typed = this.typed[place];
        const cell = input.parentElement, sure = slot[0]?.[1] ?? 0;
        input.value = own;
        cell.style.setProperty('--vd-sure', typed ? 1 : sure);
        cell.classList.toggle('vd-typed', typed);
        cell.querySelector('.vd-sureness').textContent = typed ? 'yours' : slot.length ? percent(sure) : '';
        const others = slot.filter(([character]) => character !== own);
        const also = others.map(([character, score]) => `${character || 'empty'} ${percent(score)}`).join(', ');
        input.setAttribute('aria-label', `Character ${place + 1} of ${this.inputs.length}: ${own || 'empty'}, `
          + `${typed ? 'yours' : `${percent(sure)} sure`}${also ? `. Also likely: ${also}` : ''}`);
        cell.querySelector('.vd-likely').replaceChildren(...slot.map(([character, score]) => {
          const button = make('button', {type: 'button', tabindex: -1, 'data-likely': character,
            'aria-label': `${character || 'Empty'}, ${percent(score)}`, 'aria-pressed': String(character === own)});
          button.append(make('b', {}, character || '\u2013'), make('small', {}, percent(score)));
          return button;
        }));
      });
      this.hint();
      const kept = {item: this.current.id, cells: this.cells};
      stored('sessionStorage', DRAFT, JSON.stringify(kept));
      this.drafts.set(kept.item, kept.cells);
    }

    hint(sentence) {
      const line = this.of('.vd-plates-hint');
      if (sentence) { line.textContent = sentence; return; }
      const own = this.cells[this.place ?? 0], slot = this.current.slots[this.place ?? 0] ?? [];
      const group = own && this.alike.find((letters) => letters.includes(own));
      const rival = group && slot.find(([character]) => character && character !== own && group.includes(character));
      const alike = rival ? `${own} or ${rival[0]}? They look alike. ` : group ? `${[...group].join(' ')} look alike. ` : '';
      line.textContent = alike + this.layoutHint();
    }

    fits(text) {
      return this.patterns[text.replace(/[A-Z]/g, 'A').replace(/[0-9]/g, '9')];
    }

    layoutHint() {
      const text = this.cells.join('');
      if (!text) return '';
      if (this.fits(text)) return `Fits the layout ${this.fits(text)}.`;
      // What the reader thought likely comes first, then what only looks alike.
      const others = this.cells.flatMap((own, place) => (own === '' ? [] : [
        ...(this.current.slots[place] ?? []), ...[...this.alike.find((letters) => letters.includes(own)) ?? ''].map((letter) => [letter, 0]),
      ].map(([letter, score]) => ({place, own, letter, score}))));
      for (const {place, own, letter} of others.sort((one, other) => other.score - one.score)) {
        const fits = letter && this.fits(this.cells.with(place, letter).join(''));
        if (fits) return `With ${letter} for ${own} in place ${place + 1} it would fit ${fits}.`;
      }
      return 'Fits none of the layouts known here.';
    }

    drawView(selector, view, moves) {
      const figure = this.of(selector), frame = figure.querySelector('div');
      figure.hidden = !view;
      if (!view) return;
      const [x1, y1, x2, y2] = view.box;
      const svg = make('svg', {viewBox: `${x1} ${y1} ${x2 - x1} ${y2 - y1}`});
      frame.style.aspectRatio = `${x2 - x1} / ${y2 - y1}`;
      frame.style.maxWidth = `${(x2 - x1) / (y2 - y1) * 320}px`;
      frame.replaceChildren(make('img', {src: view.picture, alt: moves ? 'The plate as it was photographed' : 'The vehicle'}), svg);
      svg.append(make('polygon'));
      const unit = Math.max(x2 - x1, (y2 - y1) * 1.5) / 100;
      if (moves) {
        CORNERS.forEach((name, corner) => svg.append(make('g', {tabindex: 0, role: 'button', 'data-corner': corner, 'aria-label': `${name} corner: arrow keys move it`},
          make('circle', {r: 7 * unit, class: 'vd-reach'}), make('circle', {r: 1.8 * unit}))));
      }
      this.drawCorners();
    }

    drawCorners() {
      const points = this.current.corners;
      for (const polygon of this.root.querySelectorAll('.vd-plates-views polygon')) {
        polygon.setAttribute('points', points.map((point) => point.join(',')).join(' '));
      }
      for (const handle of this.root.querySelectorAll('[data-corner]')) {
        handle.setAttribute('transform', `translate(${points[handle.dataset.corner].join(' ')})`);
      }
    }

    say(sentence, failed = false) {
      const line = this.of('.vd-plates-says');
      Object.assign(line, {hidden: false, textContent: sentence});
      line.classList.toggle('vd-error', failed);
    }

    toast(sentence, undoes = false) {
      const toast = this.of('.vd-plates-toast');
      toast.replaceChildren(make('span', {}, sentence));
      if (undoes) toast.append(make('button', {type: 'button', 'data-plates': 'undo'}, 'Undo'));
      clearTimeout(this.toasting);
      this.toasting = setTimeout(() => toast.replaceChildren(), TOAST_MS);
    }

    tellAround() {
      const {done, total} = this.progress, bar = this.of('.vd-plates-progress progress');
      [bar.max, bar.value] = [Math.max(total, 1), done];
      const pace = this.pace?.answers ? `, ${this.pace.answers} yours` + (this.pace.median_s ? `, ${this.pace.median_s.toFixed(1)} s each` : '') : '';
      this.of('.vd-plates-progress span').textContent = `${done} of ${total} plates${pace}`;
      const part = (kind, item, text) => make('li', {class: kind, ...(kind === 'vd-now' ? {'aria-current': 'true'} : {})},
        make('img', {src: item?.picture ?? '', alt: ''}), make('span', {}, text || '\u2013'));
      const before = this.done.filter((one) => one.kind !== 'corners').slice(-3);
      this.of('.vd-plates-strip').replaceChildren(
        ...before.map((one) => part('vd-before', this.items.get(one.item), `${one.kind === 'answer' ? '\u2713 ' : ''}${one.text}`)),
        ...this.list.slice(0, 4).map((id, place) => part(place ? 'vd-after' : 'vd-now', this.items.get(id), this.items.get(id).text)),
      );
    }

    tellChoices(choices) {
      for (const [name, values] of [['source', choices.sources], ['layout', choices.layouts], ['length', choices.lengths]]) {
        const menu = this.of(`[data-filter=${name}]`), chosen = menu.value;
        menu.replaceChildren(make('option', {value: ''}, 'all'), ...values.map((value) => make('option', {value}, value)));
        menu.value = chosen;
      }
    }

    async tellHistory() {
      const list = this.of('.vd-plates-history ol'), told = await outbox.ask('plates_history', {count: 50});
      if (!Array.isArray(told)) { list.replaceChildren(make('li', {}, told?.error ?? 'The server does not answer.')); return; }
      list.replaceChildren(...told.map((one) => {
        const says = one.kind === 'answer' ? (one.before === one.value ? `${one.value} as read` : `${one.before || '\u2013'} \u2192 ${one.value}`) : one.kind;
        return make('li', {}, make('time', {datetime: one.at}, new Date(one.at).toLocaleTimeString()), make('span', {}, says),
          make('button', {type: 'button', 'data-again': one.item}, 'Look again'));
      }));
      if (!told.length) list.append(make('li', {}, 'Nothing yet.'));
    }

    async export(button) {
      button.disabled = true;
      const told = await outbox.ask('plates_export', {kind: button.dataset.export}, EXPORT_MS);
      button.disabled = false;
      if (!told || told.error) { this.toast(told?.error ?? 'The server does not answer. Try again.'); return; }
      const bytes = Uint8Array.from(atob(told.content), (letter) => letter.charCodeAt(0));
      vehicleDemo.download(new Blob([bytes]), told.name);
    }

    // ---- keys, touch, pointer ----

    focusCell(place) {
      this.place = Math.min(Math.max(place ?? 0, 0), this.inputs.length - 1);
      if (!this.current) return;
      this.inputs[this.place].focus({preventScroll: true});
      this.inputs[this.place].select();
      this.hint();
    }

    write(place, character, onwards = 1) {
      this.cells[place] = character;
      this.typed[place] = true;
      this.drawCells();
      this.focusCell(place + onwards);
    }

    cycle(by) {
      const likely = (this.current.slots[this.place] ?? []).map(([character]) => character);
      if (!likely.length) return;
      const at = likely.indexOf(this.cells[this.place]);
      this.write(this.place, likely[(at + by + likely.length) % likely.length], 0);
    }

    // Cells from here on move by one, and what leaves the last cell is gone: only when it is empty.
    room() {
      if (this.cells.at(-1)) { this.hint('There is no room: the last cell is not empty.'); return; }
      this.cells = [...this.cells.slice(0, this.place), '', ...this.cells.slice(this.place, -1)];
      this.typed = this.typed.map((typed, place) => typed || place >= this.place);
      this.drawCells();
      this.focusCell(this.place);
    }

    command(name) {
      const commands = {
        accept: () => this.accept(), skip: () => this.settle('skip'), unreadable: () => this.settle('not readable'),
        none: () => this.settle('no plate'), undo: () => this.undo(),
      };
      commands[name]();
    }

    key(event) {
      if (!this.visible || event.ctrlKey || event.metaKey || event.isComposing) return;
      const target = event.target instanceof Element ? event.target : document.body;
      const cell = this.inputs.includes(target), corner = target.closest('[data-corner]');
      if (!cell && target.closest('input, select, textarea, [contenteditable=true], dialog')) return;
      if (!cell && target !== document.body && !this.root.contains(target)) return;
      const act = this.meant(event, target, corner);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    }

    meant(event, target, corner) {
      const {key, code} = event, once = (act) => (event.repeat ? () => {} : act);
      if (event.altKey) {
        const commands = {KeyZ: 'undo', KeyX: 'unreadable', KeyN: 'none'};
        if (code === 'KeyC') return () => this.of('[data-corner]')?.focus();
        return commands[code] && once(() => this.command(commands[code]));
      }
      if (key === '?') return () => this.of('.vd-plates-keys').classList.toggle('vd-all');
      if (corner && key.startsWith('Arrow')) return () => this.nudge(corner.dataset.corner, key, event.shiftKey ? 8 : 1);
      if (corner && key === 'Escape') return () => this.focusCell(this.place);
      if (key === 'Escape') return once(() => this.command('skip'));
      // A focused button keeps its own keys.
      if (target.closest('button, summary') && (key === 'Enter' || key === ' ')) return null;
      if (key === 'Enter') return once(() => this.command('accept'));
      if (!this.current) return null;
      const moves = {ArrowLeft: this.place - 1, ArrowRight: this.place + 1, Home: 0, End: this.inputs.length - 1};
      if (key in moves) return () => this.focusCell(moves[key]);
      if (key === 'ArrowUp' || key === 'ArrowDown') return () => this.cycle(key === 'ArrowDown' ? 1 : -1);
      if (key === 'Delete') return () => this.write(this.place, '', 0);
      // An empty cell has nothing to clear: the one before it is meant.
      if (key === 'Backspace') return () => this.write(Math.max(this.place - (this.cells[this.place] ? 0 : 1), 0), '', 0);
      if (key === ' ') return () => this.room();
      if (/^[a-z0-9]$/i.test(key)) return () => this.write(this.place, key.toUpperCase());
      return null;
    }

    moved(corner, x, y) {
      const [x1, y1, x2, y2] = this.current.near.box;
      const point = [Math.min(Math.max(x, x1), x2), Math.min(Math.max(y, y1), y2)].map((value) => Math.round(value * 10) / 10);
      return this.current.corners.map((own, place) => (place === Number(corner) ? point : own));
    }

    nudge(corner, key, by) {
      const [x1, , x2] = this.current.near.box, step = by * (x2 - x1) / 200;
      const [x, y] = this.current.corners[corner];
      const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[key];
      this.look(this.moved(corner, x + dx * step, y + dy * step));
    }

    drag(event) {
      const handle = event.target.closest('[data-corner]'), svg = handle.ownerSVGElement, item = this.current;
      const at = (moving) => new DOMPoint(moving.clientX, moving.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const was = item.corners, start = at(event), [x, y] = was[handle.dataset.corner];
      const move = (moving) => {
        const point = at(moving);
        item.corners = was;  // from where it was taken up
        item.corners = this.moved(handle.dataset.corner, x + point.x - start.x, y + point.y - start.y);
        this.drawCorners();
      };
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener('pointermove', move);
      handle.addEventListener('lostpointercapture', () => {
        handle.removeEventListener('pointermove', move);
        const corners = item.corners;
        item.corners = was;
        if (item === this.current && corners !== was) this.look(corners);
        this.focusCell(this.place);
      }, {once: true});
    }

    listen() {
      document.addEventListener('keydown', (event) => this.key(event), true);
      this.inputs.forEach((input, place) => {
        input.addEventListener('focus', () => { this.place = place; input.select(); if (this.current) this.hint(); });
        // Keys of a touch keyboard come as text alone.
        input.addEventListener('input', () => {
          const characters = input.value.toUpperCase().replace(/[^0-9A-Z]/g, '');
          if (!this.current) input.value = '';
          else if (characters) this.write(place, characters.at(-1));
          else if (!input.value) this.write(place, '', 0);
          else input.value = this.cells[place];
        });
      });
      this.root.addEventListener('pointerdown', (event) => {
        if (event.target.closest('[data-corner]')) this.drag(event);
        else if (event.target.closest('.vd-likely, .vd-plates-commands, .vd-plates-toast')) event.preventDefault();  // the focus stays
      });
      this.root.addEventListener('click', (event) => {
        const button = event.target.closest('button');
        if (!button) return;
        const {likely, plates, again} = button.dataset;
        if (likely !== undefined) this.write(this.inputs.indexOf(button.closest('.vd-slot').querySelector('input')), likely);
        if (button.dataset.export) this.export(button);
        if (plates) { this.command(plates); this.focusCell(this.place); }
        if (again) { this.fill({first: [Number(again)]}); this.root.scrollIntoView({block: 'start'}); }
      });
      this.root.addEventListener('change', (event) => {
        const name = event.target.dataset.filter;
        if (!name) return;
        const value = event.target.value;
        this.chosen = {...this.chosen, [name]: value === '' ? null : name === 'length' ? Number(value) : value};
        [this.list, this.shown] = [[], false];
        this.turn += 1;
        this.show();
        this.fill({afresh: true});
      });
      this.of('.vd-plates-history').addEventListener('toggle', (event) => { if (event.target.open) this.tellHistory(); });
    }
  }

  // Of an element that is in the page before any tab is opened.
  function plateServer(server) {
    outbox = new vehicleDemo.Outbox(server);
    // The page was loaded again, by its visitor or because the server was started again: back to where it was.
    if (stored('sessionStorage', OPEN)) open();
  }

  function mountPlates(element) {
    desk = new PlateDesk(element.querySelector('.vd-plates'));
  }

  function open(then = () => {}) {
    const began = performance.now();
    (function wait() {
      vehicleDemo.selectTab('plates');
      if (desk?.visible) then();
      else if (performance.now() - began < OPENS_MS) setTimeout(wait, 100);
    })();
  }

  function plateReady(said) {
    if (said?.error) { alertOf(said.error); return; }
    open(() => {
      desk.of('[data-back]').hidden = false;
      desk.fill({first: [said.item]});
      window.scrollTo({top: 0});
    });
  }

  // Beside the card whose button was pressed.
  function alertOf(sentence) {
    const line = make('p', {class: 'vd-unsure', role: 'alert'}, sentence);
    vehicleDemo.plateAsked.card.querySelectorAll('[role=alert]').forEach((old) => old.remove());
    vehicleDemo.plateAsked.card.append(line);
  }

  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('[data-read-plate]');
    if (!button) return;
    const card = button.closest('.vd-card'), answer = JSON.parse(card.closest('.vd-cards').dataset.answer);
    const asked = {box: answer.vehicles[card.dataset.vehicle].box};
    Object.defineProperty(asked, 'card', {value: card});  // not sent
    vehicleDemo.plateAsked = asked;
    vehicleDemo.send('plate');
  });
  return {plateServer, mountPlates, plateReady, plateAsked: null};
})());
