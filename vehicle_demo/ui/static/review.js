// The Review tab: likely models to choose from, names to find, a box to draw again. The desk has the rest; see there.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const PARTS = ['model', 'make', 'type'], FOUND = 8, LIKELY = 5;
  const {make, percent} = vehicleDemo;
  const words = (text) => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').split(/[^\p{L}\p{N}]+/u).filter(Boolean);

  // How many letters must be added, taken out, changed or swapped to make `typed` the beginning of `word`; 3 is far.
  function mistakes(typed, word) {
    if (word.startsWith(typed)) return 0;
    if (typed.length < 3) return 3;
    const width = word.length + 1;
    let before, last = Array.from({length: width}, (_, place) => place);
    for (let row = 1; row <= typed.length; row += 1) {
      const now = [row];
      for (let column = 1; column < width; column += 1) {
        const same = typed[row - 1] === word[column - 1];
        now[column] = Math.min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (same ? 0 : 1));
        const swapped = typed[row - 1] === word[column - 2] && typed[row - 2] === word[column - 1];
        if (before && column > 1 && swapped) now[column] = Math.min(now[column], before[column - 2] + 1);
      }
      [before, last] = [last, now];
    }
    const fewest = Math.min(...last);
    return fewest <= (typed.length < 6 ? 1 : 2) ? fewest : 3;
  }

  // Every word that was typed has to begin a word of the name, nearly; the fewer mistakes and the earlier, the better.
  function rank(query, name) {
    const typed = words(query), own = words(name);
    let cost = 0;
    for (const word of typed) {
      const each = own.map((one) => mistakes(word, one));
      const least = Math.min(...each);
      if (least >= 3) return Infinity;
      cost += least * 10 + each.indexOf(least);
    }
    return cost;
  }

  class ReviewDesk extends vehicleDemo.Desk {
    constructor(root) {
      super(root, 'review', {
        thing: 'vehicle', things: 'vehicles', settles: ['answer', 'unsure', 'bad picture', 'decision'], amends: 'box', enough: 7, peopled: true,
      });
      this.input = this.of('.vd-review-search input');
      this.form = this.of('.vd-review-add');
      this.svg = this.of('.vd-review-picture svg');
      Object.assign(this, {names: null, references: new Map(), found: [], behind: 0, drawing: false});
      this.svg.append(make('rect'));
      this.touch = matchMedia('(pointer: coarse)').matches;
    }

    // ---- what a person says ----

    // What is answered together, and whether it decides between others.
    settle(kind, says, names = {}) {
      const item = this.current;
      if (!item) return;
      this.list.splice(1, this.behind - 1 > 0 ? this.behind - 1 : 0);
      this.behind = 0;
      if (item.opinions.length && kind !== 'skip') super.settle('decision', says, {status: kind, ...names});
      else super.settle(kind, says, {...names, ...(this.together(item) ? {also: item.together.map((one) => one.id)} : {})});
    }

    together(item) { return item.together.length > 0 && this.of('.vd-review-together input').checked; }

    answer(part, name) { this.settle('answer', part === 'model' ? name : `${name} (${part} only)`, {[part]: name}); }

    choose(part, place) {
      const scored = this.current?.[part][place];
      if (scored) this.answer(part, scored[0]);
    }

    // Who decides takes one side.
    side({kind, model, make: maker, type}) {
      const said = kind === 'answer' ? Object.fromEntries(Object.entries({model, make: maker, type}).filter(([, name]) => name)) : {};
      this.settle(kind, this.inWords({kind, value: {model, make: maker, type}}), said);
    }

    back() {
      const past = this.done.filter((one) => one.kind !== 'box').at(-1 - this.behind);
      if (!past || !this.items.has(past.item)) { this.toast('There is nothing further back.'); return; }
      this.behind += 1;
      this.list.unshift(past.item);
      this.show();
    }

    forth() {
      if (!this.behind) { this.toast('This is the latest.'); return; }
      this.behind -= 1;
      this.list.shift();
      this.show();
    }

    undo(last) {
      this.list.splice(0, this.behind);
      this.behind = 0;
      return super.undo(last);
    }

    // ---- what is shown ----

    nothing() {
      if (this.chosen.decide === 'conflicts') return 'No conflict waits for a decision.';
      if (this.chosen.decide) return 'No label looks wrong, by what the network thinks of all that were named.';
      return this.progress.done < this.progress.total ? 'Somebody else is looking at those that are left. This page asks for them again by itself.'
        : 'No vehicle is left here. Change the filter, send one from a card in Recognise, or add pictures below: the example photos are two clicks away.';
    }

    alsoLeft() {
      const {second, conflicts} = this.progress;
      return (second ? `, ${second} wait for a second person` : '') + (conflicts ? `, ${conflicts} in conflict` : '');
    }

    draw(item) {
      const [x1, y1, x2, y2] = item.window, picture = this.of('.vd-review-picture');
      this.draws(false);
      this.find('');
      this.form.hidden = true;
      this.of('.vd-review-past').hidden = true;
      picture.style.aspectRatio = `${x2 - x1} / ${y2 - y1}`;
      picture.style.setProperty('--vd-aspect', (x2 - x1) / (y2 - y1));
      picture.querySelector('img').src = item.picture;
      this.svg.setAttribute('viewBox', `${x1} ${y1} ${x2 - x1} ${y2 - y1}`);
      this.of('.vd-review-look figcaption').textContent = `${item.source}, seen by ${item.checkpoint}`;
      const said = this.done.findLast((one) => one.item === item.id && one.kind !== 'box')?.says ?? (item.said && this.inWords({...item.said, value: item.said}));
      this.of('.vd-review-why').textContent = `${said ? `You said: ${said}. ` : ''}${item.reason}: ${item.why}`;
      this.drawTogether(item);
      this.drawOpinions(item);
      this.drawPlace();
      this.drawLikely(item);
    }

    drawTogether(item) {
      const part = this.of('.vd-review-together'), count = item.together.length;
      part.hidden = !count;
      part.querySelector('input').checked = true;
      part.querySelector('span').textContent = count === 1 ? 'One more that looks nearly the same: answer it too' : `${count} more that look nearly the same: answer them too`;
      part.querySelector('div').replaceChildren(...item.together.map((one) => make('img', {src: one.small, alt: ''})));
    }

    drawOpinions(item) {
      const list = this.of('.vd-review-opinions');
      list.hidden = !item.opinions.length;
      list.replaceChildren(...item.opinions.map((one, place) => make('li', {},
        make('b', {}, one.person), ' ', make('button', {type: 'button', 'data-opinion': place}, this.inWords({...one, value: one})))));
    }

    drawLikely(item) {
      this.root.querySelectorAll('[data-model]').forEach((button, place) => {
        const [name, score] = item.model[place] ?? [];
        button.parentElement.hidden = name === undefined;
        if (name === undefined) return;
        button.querySelector('.vd-name').textContent = name;
        button.querySelector('i').style.width = `${score * 100}%`;
        button.querySelector('.vd-percent').textContent = percent(score);
        button.setAttribute('aria-label', `${place + 1}: ${name}, ${percent(score)}`);
      });
      this.root.querySelectorAll('[data-make]').forEach((button, place) => {
        const [name, score] = item.make[place] ?? [];
        button.hidden = name === undefined;
        button.style.setProperty('--vd-share', `${(score ?? 0) * 100}%`);
        button.replaceChildren(make('kbd', {}, `Alt ${place + 1}`), ` ${name} `, make('small', {}, percent(score ?? 0)));
        button.setAttribute('aria-label', `Only the make: ${name}, ${percent(score ?? 0)}`);
      });
      // For who hears the page: the focus stays where it is, so the next vehicle would come without a word.
      this.of('.vd-review-heard').textContent = `Next: ${item.model.slice(0, 2).map(([name, score]) => `${name} ${percent(score)}`).join(' or ')}`;
      this.drawReferences();
      this.refer(item);
    }

    drawReferences() {
      this.root.querySelectorAll('[data-model]').forEach((button, place) => {
        const known = this.references.get(this.current?.model[place]?.[0]) ?? [];
        button.querySelector('.vd-references').replaceChildren(...known.map((uri) => make('img', {src: uri, alt: ''})));
      });
    }

    // Pictures of the likely models, of this vehicle and the next.
    async refer(item) {
      const next = this.items.get(this.list[1]);
      for (const one of [item, next]) {
        const models = one?.model.map(([name]) => name).filter((name) => !this.references.has(name)) ?? [];
        if (!models.length) continue;
        models.forEach((name) => this.references.set(name, []));
        const told = await this.ask('references', {models});
        if (!told || told.error) models.forEach((name) => this.references.delete(name));
        else Object.entries(told).forEach(([name, uris]) => this.references.set(name, uris));
      }
      if (this.current) this.drawReferences();
    }

    drawPlace() {
      const [x1, y1, x2, y2] = this.current.box;
      for (const [name, value] of Object.entries({x: x1, y: y1, width: x2 - x1, height: y2 - y1})) this.svg.firstChild.setAttribute(name, value);
    }

    drawAmended(item) {
      this.drawPlace();
      this.drawLikely(item);
      this.tellAround();
    }

    inWords(one) {
      if (one.kind !== 'answer') return one.kind;
      const {model, make: maker, type} = one.value;
      return model ?? (maker ? `${maker} (make only)` : `${type} (type only)`);
    }

    async past() {
      const part = this.of('.vd-review-past'), item = this.current;
      part.hidden = !part.hidden;
      if (part.hidden || !item) return;
      const list = part.querySelector('ol'), line = part.querySelector('p');
      list.replaceChildren();
      line.textContent = 'Looking it up.';
      // What is on its way to the server belongs to it.
      const told = await this.outbox.askInTurn('review_past', {item: item.id});
      if (item !== this.current) return;
      if (!told || told.error) { line.textContent = told?.error ?? 'The server does not answer. Try again.'; return; }
      const words = (one) => one.kind === 'decision' ? `decided: ${this.inWords({kind: one.value.status, value: one.value})}`
        : {box: 'drew the box again', skip: 'skipped'}[one.kind] ?? this.inWords(one);
      list.replaceChildren(...told.said.map((one) => make('li', one.undone ? {class: 'vd-undone'} : {},
        make('time', {datetime: one.at}, new Date(one.at).toLocaleString([], {dateStyle: 'short', timeStyle: 'medium'})),
        make('b', {}, one.person), make('span', {}, words(one)), ...(one.undone ? [make('small', {}, 'undone')] : []))));
      line.textContent = told.hidden ? 'Others have said something too. It is shown once you have answered.' : told.said.length ? '' : 'Nobody has said anything of this vehicle yet.';
    }

    async tellAgreement() {
      const line = this.of('.vd-review-agreement p'), told = await this.ask('agreement', {});
      if (!told || told.error) { line.textContent = told?.error ?? 'The server does not answer.'; return; }
      const kappa = PARTS.filter((part) => told.kappa[part] !== null).map((part) => `${part} ${told.kappa[part].toFixed(2)}`);
      line.textContent = `Two people named ${told.pairs === 1 ? '1 vehicle' : `${told.pairs} vehicles`} without knowing of each other. `
        + (kappa.length ? `Cohen's kappa: ${kappa.join(', ')}; 1 is full agreement, 0 that of chance.` : "That is too little for Cohen's kappa.");
    }

    // ---- names ----

    async know() {
      if (this.names) return;
      const told = await this.ask('names', {});
      if (!told || told.error) return;
      this.names = PARTS.flatMap((part) => told[part].map((name) => ({part, name})));
      this.of('.vd-review-add select').replaceChildren(make('option', {value: ''}, 'not known'), ...told.type.map((name) => make('option', {value: name}, name)));
      this.of('.vd-review-add datalist').replaceChildren(...told.make.map((name) => make('option', {value: name})));
      this.find(this.input.value);
    }

    find(query) {
      const list = this.of('.vd-review-search ul'), item = this.current;
      if (this.input.value !== query) this.input.value = query;
      const likely = (one) => item?.[one.part].find(([name]) => name === one.name)?.[1] ?? 0;
      this.found = words(query).length && this.names ? this.names.map((one) => ({...one, cost: rank(query, one.name)}))
        .filter((one) => one.cost < Infinity)
        .sort((one, other) => one.cost - other.cost || likely(other) - likely(one) || one.name.length - other.name.length)
        .slice(0, FOUND) : [];
      this.picked = 0;
      list.replaceChildren(...this.found.map((one, place) => make('li', {role: 'option', id: `vd-review-found-${place}`, 'data-found': place},
        one.name, ...(one.part === 'model' ? [] : [make('small', {}, `${one.part} only`)]))));
      if (query && this.names && !this.found.length) list.append(make('li', {role: 'option', 'data-add': ''}, `Nothing like it. Enter adds ${query}.`));
      list.hidden = !query;
      this.input.setAttribute('aria-expanded', String(Boolean(query)));
      this.pick(0);
    }

    pick(by) {
      this.picked = this.found.length ? (this.picked + by + this.found.length) % this.found.length : 0;
      this.root.querySelectorAll('[data-found]').forEach((option, place) => {
        option.setAttribute('aria-selected', String(place === this.picked));
        if (place === this.picked) option.scrollIntoView({block: 'nearest'});
      });
      if (this.found.length) this.input.setAttribute('aria-activedescendant', `vd-review-found-${this.picked}`);
      else this.input.removeAttribute('aria-activedescendant');
    }

    takeFound(place = this.picked) {
      const one = this.found[place];
      if (one) this.answer(one.part, one.name);
      else if (this.names) this.command('add');
    }

    add() {
      const {model, make: maker, type} = this.form.elements;
      model.value = this.input.value;
      maker.value = this.current.make[0]?.[0] ?? '';
      type.value = this.current.type[0]?.[0] ?? '';
      this.asked = null;
      this.form.querySelector('p').textContent = '';
      this.find('');
      this.form.hidden = false;
      model.focus();
    }

    cancel() {
      this.form.hidden = true;
      this.focus();
    }

    // Said twice it is meant: a name that is nearly another is more often that one.
    async added() {
      const {model, make: maker, type} = this.form.elements, line = this.form.querySelector('p'), item = this.current;
      const name = model.value.trim().replace(/\s+/g, ' ');
      if (!name) { line.textContent = 'Write the name first.'; return; }
      if (this.asked !== name) {
        const near = await this.ask('near', {name});
        if (item !== this.current) return;
        if (!Array.isArray(near)) { line.textContent = near?.error ?? 'The server does not answer. Try again.'; return; }
        this.asked = name;
        if (near.length) {
          line.replaceChildren('Nearly the same is there: ', ...near.map((one) => make('button', {type: 'button', 'data-near': one}, one)), ' Take it, or add yours once more.');
          return;
        }
      }
      const names = {model: name, new: true, ...(maker.value.trim() ? {make: maker.value.trim()} : {}), ...(type.value ? {type: type.value} : {})};
      if (!this.names.some((one) => one.part === 'model' && one.name === name)) this.names.push({part: 'model', name});
      this.settle('answer', name, names);
    }

    // ---- the box ----

    draws(on) {
      this.drawing = on;
      this.svg.classList.toggle('vd-drawing', on);
      this.of('.vd-review-look').classList.toggle('vd-drawing', on);
    }

    box() {
      if (!this.current) return;
      this.draws(!this.drawing);
      if (!this.drawing) { this.drawPlace(); return; }
      this.drawn = [...this.current.box];
      this.toast('Draw the box with the pointer; or arrows move it, Shift and arrows resize it, Enter keeps it, Esc leaves it.');
    }

    redraw(box) {
      const [x1, y1, x2, y2] = this.current.window, keep = this.current.box;
      this.drawn = box.map((side, place) => Math.round(Math.min(Math.max(side, place % 2 ? y1 : x1), place % 2 ? y2 : x2) * 10) / 10);
      this.current.box = this.drawn;
      this.drawPlace();
      this.current.box = keep;
    }

    keepBox() {
      const [x1, y1, x2, y2] = this.drawn;
      this.draws(false);
      this.amend([Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)]);
    }

    nudge(key, resize) {
      const step = (this.current.window[2] - this.current.window[0]) / 100;
      const [dx, dy] = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[key];
      const [x1, y1, x2, y2] = this.drawn;
      this.redraw(resize ? [x1, y1, x2 + dx, y2 + dy] : [x1 + dx, y1 + dy, x2 + dx, y2 + dy]);
    }

    drag(event) {
      const at = (moving) => new DOMPoint(moving.clientX, moving.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      const start = at(event), item = this.current;
      const move = (moving) => { const end = at(moving); this.redraw([Math.min(start.x, end.x), Math.min(start.y, end.y), Math.max(start.x, end.x), Math.max(start.y, end.y)]); };
      event.preventDefault();
      this.svg.setPointerCapture(event.pointerId);
      this.svg.addEventListener('pointermove', move);
      this.svg.addEventListener('lostpointercapture', () => {
        this.svg.removeEventListener('pointermove', move);
        if (item === this.current && this.drawing) this.keepBox();
        this.focus();
      }, {once: true});
    }

    // ---- keys, touch, pointer ----

    seen() {
      super.seen();
      if (this.visible) this.know();
    }

    // On a touch screen a field in focus would bring up the keyboard, which hides the picture.
    focus() {
      if (this.current && !this.touch && this.form.hidden) this.input.focus({preventScroll: true});
    }

    takes(target) { return target === this.input; }

    commands() {
      return {
        unsure: () => this.settle('unsure', 'unsure'), bad: () => this.settle('bad picture', 'bad picture'), box: () => this.box(),
        add: () => this.current && this.add(), past: () => this.current && this.past(), cancel: () => this.cancel(), back: () => this.back(), forth: () => this.forth(),
        ...Object.fromEntries(Array.from({length: LIKELY}, (_, place) => [`model${place}`, () => this.choose('model', place)])),
        ...Object.fromEntries(Array.from({length: LIKELY}, (_, place) => [`make${place}`, () => this.choose('make', place)])),
      };
    }

    meant(event, target) {
      const {key, code} = event, typed = this.input.value !== '';
      if (event.altKey) {
        const commands = {KeyZ: 'undo', KeyY: 'redo', KeyX: 'bad', KeyB: 'box', KeyN: 'add', KeyH: 'past', ...Object.fromEntries(Array.from({length: LIKELY}, (_, place) => [`Digit${place + 1}`, `make${place}`]))};
        return commands[code] && this.once(event, commands[code]);
      }
      if (this.drawing) {
        if (key.startsWith('Arrow')) return () => this.nudge(key, event.shiftKey);
        if (key === 'Enter') return () => this.keepBox();
        if (key === 'Escape') return () => this.box();
      }
      if (typed && target === this.input) {
        const moves = {ArrowDown: 1, ArrowUp: -1};
        if (key in moves) return () => this.pick(moves[key]);
        if (key === 'Enter') return () => this.takeFound();
        return key === 'Escape' ? () => this.find('') : null;
      }
      if (key === 'Escape') return this.once(event, 'skip');
      // A focused button keeps its own keys.
      if (target.closest('button, summary') && (key === 'Enter' || key === ' ')) return null;
      if (key === 'ArrowLeft') return this.once(event, 'back');
      if (key === 'ArrowRight') return this.once(event, 'forth');
      if (key === '0') return this.once(event, 'unsure');
      if (/^[1-5]$/.test(key)) return this.once(event, `model${Number(key) - 1}`);
      if (/^\p{L}$/u.test(key)) this.input.focus({preventScroll: true});  // where the letter then goes
      return null;
    }

    listen() {
      super.listen();
      this.of('.vd-review-agreement').addEventListener('toggle', (event) => { if (event.target.open) this.tellAgreement(); });
      this.input.addEventListener('input', () => this.find(this.input.value));
      this.svg.addEventListener('pointerdown', (event) => { if (this.drawing) this.drag(event); });
      this.form.addEventListener('submit', (event) => { event.preventDefault(); this.added(); });
      this.form.addEventListener('keydown', (event) => { if (event.key === 'Escape') { event.stopPropagation(); this.cancel(); } });
      this.root.addEventListener('change', (event) => { if ('decide' in event.target.dataset) this.filter('decide', event.target.value); });
      this.root.addEventListener('click', (event) => {
        const part = event.target.closest('[data-model], [data-make], [data-found], [data-add], [data-near], [data-opinion]');
        if (!part) return;
        const {model, make: maker, found, near, opinion} = part.dataset;
        if (model) this.choose('model', Number(model));
        else if (maker) this.choose('make', Number(maker));
        else if (found) this.takeFound(Number(found));
        else if (near) this.answer('model', near);
        else if (opinion) this.side(this.current.opinions[Number(opinion)]);
        else this.command('add');
        this.focus();
      });
    }
  }

  function mountReview(element) {
    new ReviewDesk(element.querySelector('.vd-review')).begin();
  }

  return {mountReview};
})());
