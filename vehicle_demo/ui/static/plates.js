// The Plates tab: cells to type in. What a person says goes into the outbox; see there, and the desk for the rest.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const DRAFT = 'vehicleDemo.plates.draft';
  const CORNERS = ['Upper left', 'Upper right', 'Lower right', 'Lower left'];
  const {make, percent, stored} = vehicleDemo;

  class PlateDesk extends vehicleDemo.Desk {
    constructor(root) {
      super(root, 'plates', {thing: 'plate', things: 'plates', settles: ['answer', 'not readable', 'no plate'], amends: 'corners', enough: 4});
      this.inputs = [...root.querySelectorAll('.vd-slot input')];
      Object.assign(this, JSON.parse(root.dataset.hints));
      this.drafts = new Map();
      const draft = JSON.parse(stored('sessionStorage', DRAFT) ?? 'null');
      if (draft) this.drafts.set(draft.item, draft.cells);
    }

    // ---- what a person says ----

    settle(kind, says, more) {
      if (this.current) this.drafts.set(this.current.id, this.cells);
      super.settle(kind, says, more);
    }

    accept() {
      const text = this.cells?.join('');
      if (text) this.settle('answer', text, {text});
      else if (this.current) this.hint('Nothing is written. Alt X says it is not readable, Alt N that there is no plate.');
    }

    // ---- what is shown ----

    nothing() { return 'No plate is left here. Change the filter, or send one from a card in Recognise.'; }

    draw(item) {
      const read = this.inputs.map((_, place) => item.slots[place]?.[0][0] ?? '');
      const own = this.drafts.get(item.id) ?? (item.said ? this.inputs.map((_, place) => item.said[place] ?? '') : read);
      this.cells = [...own];
      this.typed = own.map((character, place) => character !== read[place]);
      this.of('.vd-plates-front').src = item.picture;
      this.drawView('.vd-plates-near', item.near, true);
      this.drawView('.vd-plates-around', item.around, false);
      this.of('.vd-plates-around figcaption').textContent = 'The vehicle';
      this.drawCells();
      const sureness = this.inputs.map((_, place) => item.slots[place]?.[0][1] ?? 0);
      this.place = sureness.indexOf(Math.min(...sureness));
    }

    drawAmended(item) {
      this.of('.vd-plates-front').src = item.picture;
      this.cells = this.cells.map((own, place) => (this.typed[place] ? own : item.slots[place]?.[0][0] ?? ''));
      this.drawCells();
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
      this.drawPlace();
    }

    drawPlace() {
      const points = this.current.corners;
      for (const polygon of this.root.querySelectorAll('.vd-plates-views polygon')) {
        polygon.setAttribute('points', points.map((point) => point.join(',')).join(' '));
      }
      for (const handle of this.root.querySelectorAll('[data-corner]')) {
        handle.setAttribute('transform', `translate(${points[handle.dataset.corner].join(' ')})`);
      }
    }

    inWords(one) {
      if (one.kind !== 'answer') return one.kind;
      return one.before === one.value ? `${one.value} as read` : `${one.before || '\u2013'} \u2192 ${one.value}`;
    }

    // ---- keys, touch, pointer ----

    focus() { this.focusCell(this.place); }

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

    takes(target) { return this.inputs.includes(target); }

    commands() {
      return {
        accept: () => this.accept(), unreadable: () => this.settle('not readable', 'not readable'), none: () => this.settle('no plate', 'no plate'),
      };
    }

    meant(event, target) {
      const {key, code} = event, corner = target.closest('[data-corner]');
      if (event.altKey) {
        const commands = {KeyZ: 'undo', KeyY: 'redo', KeyX: 'unreadable', KeyN: 'none'};
        if (code === 'KeyC') return () => this.of('[data-corner]')?.focus();
        return commands[code] && this.once(event, commands[code]);
      }
      if (corner && key.startsWith('Arrow')) return () => this.nudge(corner.dataset.corner, key, event.shiftKey ? 8 : 1);
      if (corner && key === 'Escape') return () => this.focus();
      if (key === 'Escape') return this.once(event, 'skip');
      // A focused button keeps its own keys.
      if (target.closest('button, summary') && (key === 'Enter' || key === ' ')) return null;
      if (key === 'Enter') return this.once(event, 'accept');
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
      this.amend(this.moved(corner, x + dx * step, y + dy * step));
    }

    drag(event) {
      const handle = event.target.closest('[data-corner]'), svg = handle.ownerSVGElement, item = this.current;
      const at = (moving) => new DOMPoint(moving.clientX, moving.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const was = item.corners, start = at(event), [x, y] = was[handle.dataset.corner];
      const move = (moving) => {
        const point = at(moving);
        item.corners = was;  // from where it was taken up
        item.corners = this.moved(handle.dataset.corner, x + point.x - start.x, y + point.y - start.y);
        this.drawPlace();
      };
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener('pointermove', move);
      handle.addEventListener('lostpointercapture', () => {
        handle.removeEventListener('pointermove', move);
        const corners = item.corners;
        item.corners = was;
        if (item === this.current && corners !== was) this.amend(corners);
        // On a touch screen a cell in focus would bring up the keyboard, which hides the corners.
        if (event.pointerType !== 'touch') this.focusCell(this.place);
      }, {once: true});
    }

    listen() {
      super.listen();
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
      this.root.addEventListener('pointerdown', (event) => { if (event.target.closest('[data-corner]')) this.drag(event); });
      this.root.addEventListener('click', (event) => {
        const button = event.target.closest('[data-likely]');
        if (button) this.write(this.inputs.indexOf(button.closest('.vd-slot').querySelector('input')), button.dataset.likely);
      });
    }
  }

  function mountPlates(element) {
    new PlateDesk(element.querySelector('.vd-plates')).begin();
  }

  return {mountPlates};
})());
