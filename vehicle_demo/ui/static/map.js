// The Map tab. plotly.js draws, zooms and selects; here is what it lacks: thumbnails, the legend, the tray, and asking
// the server. Whatever the server tells of a vehicle goes into the page as text, never as markup.
window.vehicleDemo = Object.assign(window.vehicleDemo ?? {}, (() => {
  const GREY = {light: '#c9cdd4', dark: '#3d434d'};
  const THUMBNAILS = 24, TWEEN_UP_TO = 3000, SENT_AT_ONCE = 16;
  let current;  // the map in the page, once the tab has been opened

  const decode = (text, Kind) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, '');
      else if (value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  let plotly;  // loaded once, when the tab is first opened
  function loadPlotly(address) {
    plotly ??= new Promise((resolve, reject) => {
      const script = make('script', {src: address, onload: () => resolve(window.Plotly)});
      script.addEventListener('error', () => { plotly = undefined; reject(new Error('plotly.js')); });
      document.head.append(script);
    });
    return plotly;
  }

  function save(content, name, type) {
    const link = make('a', {href: URL.createObjectURL(new Blob([content], {type})), download: name});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const title = (item) => item.facts.identity ?? `row ${item.row}`;
  const said = (item, name) => item.facts[name] && !(name === 'make' && item.facts.model?.startsWith(item.facts.make));
  const lines = (item) => ['type', 'make', 'model', 'colour', 'camera']
    .filter((name) => said(item, name)).map((name) => (name === 'camera' ? `camera ${item.facts.camera}` : item.facts[name]));

  class VehicleMap {
    constructor(root, server) {
      this.root = root;
      this.server = server;
      this.of = (selector) => root.querySelector(selector);
      this.canvas = this.of('.vd-map-canvas');
      this.watcher = crypto.getRandomValues(new Uint32Array(4)).join('-');
      this.ask = {gallery: 'sample', filters: {}, only: null, perplexity: null, seed: 0, part: false};
      this.turn = 0;  // answers to anything asked before the last change are dropped
      this.items = new Map();
      this.sent = make('p', {class: 'vd-map-sent', role: 'status'});
      this.forget();
      this.listen();
    }

    forget() {
      Object.assign(this, {rows: new Int32Array(0), place: new Map(), x: [], y: [], entries: [], codes: [], hidden: new Set(),
        selected: null, picked: null, query: null, have: -1, state: ''});
    }

    listen() {
      this.root.addEventListener('change', (event) => this.changed(event.target));
      this.root.addEventListener('click', (event) => this.clicked(event.target));
      this.root.addEventListener('keydown', (event) => {
        if (event.key === 'Escape') this.of('.vd-map-menu[open]')?.removeAttribute('open');
      });
      document.addEventListener('click', (event) => {
        this.root.querySelectorAll('.vd-map-menu[open]').forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
      });
      new MutationObserver(() => this.draw()).observe(document.body, {attributeFilter: ['class']});
      let width = this.canvas.clientWidth;
      new ResizeObserver(() => {
        const shown = this.canvas.clientWidth;
        if (shown && !width && !['working', 'stopped'].includes(this.state)) this.open();  // the tab is back in view: has the gallery grown?
        if (shown && shown !== width && this.canvas.data) window.Plotly.Plots.resize(this.canvas);
        width = shown;
      }).observe(this.canvas);
    }

    // Asking ---------------------------------------------------------------------------------------------------------
    async call(name, extra = {}, failed = (sentence) => this.status(sentence)) {
      try {
        const answer = await this.server[name](extra);
        if (answer?.error) throw new Error(answer.error);
        return answer;
      } catch (error) {
        failed(error.message.length < 200 ? error.message : 'The server did not answer. Try again.');
        return undefined;
      }
    }

    changed(field) {
      if (field.name === 'by') this.colour();
      if (field.name === 'gallery') {
        this.leave();
        Object.assign(this.ask, {gallery: field.value, filters: {}, only: null, part: false});
        this.open();
      }
      if (field.dataset.filter) {
        this.leave();
        if (field.value) this.ask.filters[field.dataset.filter] = field.value;
        else delete this.ask.filters[field.dataset.filter];
        this.open();
      }
    }

    clicked(target) {
      const button = target.closest('button');
      if (!button) return;
      if (button.dataset.do === 'again') {
        this.leave();
        const number = (name) => (this.of(`[name=${name}]`).value === '' ? null : Number(this.of(`[name=${name}]`).value));
        Object.assign(this.ask, {perplexity: number('perplexity'), seed: number('seed') ?? 0});
        button.closest('details').open = false;
        this.open();
      }
      if (button.dataset.do === 'cancel') {
        this.leave();
        this.turn += 1;
        this.state = 'stopped';
        this.busy(false);
        this.status(`Stopped after ${this.have.toLocaleString('en')} iterations. “Make this map” in the t-SNE menu begins again.`);
      }
      if (button.dataset.do === 'whole') this.mapOnly(null);
      if (button.dataset.do === 'part') {
        this.ask.part = true;
        this.open();
      }
      if (button.dataset.figure) this.figure(button.dataset.figure);
    }

    // A map of these rows alone, or of all again.
    mapOnly(rows) {
      this.leave();
      this.ask.only = rows;
      this.open();
    }

    leave() {
      if (this.state === 'working') this.call('map_leave', {...this.ask, watcher: this.watcher});
    }

    async open() {
      const turn = this.turn += 1;
      this.of('[data-do=whole]').hidden = !this.ask.only;
      loadPlotly(this.root.dataset.plotly).catch(() => {});  // arrives while the server works; who needs it says if not
      this.menu();
      let kept = this.have >= 0 ? this.rows : null;
      this.have = -1;
      let legend = this.askColours();  // at once: the server is busy as soon as the map is begun
      while (turn === this.turn) {
        const now = await this.call('map_look', {...this.ask, watcher: this.watcher, have: this.have});
        if (turn !== this.turn) return;
        if (!now) {
          this.state = 'failed';
          this.busy(false);
          if (!kept) this.message(this.of('.vd-map-status [role=status]').textContent);
          return;
        }
        this.state = now.state;
        if (now.state === 'empty' || now.state === 'filling') {
          this.nothing(now);
          await pause(2000);
          legend = null;
          continue;
        }
        if (now.rows) await this.take(now, kept, legend);
        if (turn !== this.turn) return;
        kept = this.rows;
        this.busy(now.state === 'working', now);
        if (now.state !== 'working') {
          this.status(now.says);
          return;
        }
        await pause(200);
      }
    }

    async menu() {
      const gallery = this.ask.gallery;
      const menu = await this.call('map_menu', {gallery});
      if (!menu || gallery !== this.ask.gallery) return;
      const chosen = this.of('[name=gallery]');
      chosen.replaceChildren(...menu.galleries.map((name) => make('option', {value: name, selected: name === gallery}, name)));
      const filters = Object.entries(menu.filters).filter(([, {values}]) => values.length > 1).map(([name, {says, values}]) => {
        const any = make('option', {value: ''}, 'any');
        const options = values.map((value) => make('option', {value, selected: this.ask.filters[name] === value}, value));
        return make('label', {}, `${says} `, make('select', {'data-filter': name}, any, ...options));
      });
      this.of('.vd-map-filters').replaceChildren(...(filters.length ? filters : ['Nothing to filter by.']));
      const count = Object.keys(this.ask.filters).length;
      this.of('.vd-map-menu summary b').textContent = count ? ` (${count})` : '';
    }

    // States ---------------------------------------------------------------------------------------------------------
    status(text) { this.of('.vd-map-status [role=status]').textContent = text; }

    busy(working, now) {
      const bar = this.of('.vd-map-status progress');
      bar.hidden = !working;
      this.of('[data-do=cancel]').hidden = !working;
      this.root.querySelectorAll('[data-figure]').forEach((button) => { button.disabled = this.state !== 'done'; });
      if (!working) return;
      Object.assign(bar, {max: now.total, value: now.done});
      const left = now.seconds === null ? '' : `, about ${Math.max(1, Math.round(now.seconds))} s left`;
      this.status(now.done ? `t-SNE: ${now.done} of ${now.total.toLocaleString('en')} iterations${left}` : 'PCA for now; t-SNE has begun');
    }

    message(text, action) {
      const box = this.of('.vd-map-message'), button = box.querySelector('button');
      box.hidden = !text;
      box.querySelector('p').textContent = text;
      button.hidden = !action;
      if (action) Object.assign(button, {textContent: action[1]}).dataset.do = action[0];
      if (text && this.canvas.data) window.Plotly.purge(this.canvas);
    }

    nothing(now) {
      this.forget();
      this.legend();
      this.tray();
      this.busy(false);
      this.state = now.state;
      if (now.state === 'empty') {
        this.status('');
        this.message(now.says);
        return;
      }
      this.status(`Filling: ${now.done} of ${now.total} pictures`);
      const action = now.rows ? ['part', `Map the ${now.rows} vehicles that are there`] : null;
      this.message(`This gallery is being filled: ${now.done} of ${now.total} pictures. The map comes when it is done.`, action);
    }

    // Points ---------------------------------------------------------------------------------------------------------
    async take(now, before, asked) {
      const rows = decode(now.rows, Int32Array), x = decode(now.x, Float32Array), y = decode(now.y, Float32Array);
      const same = before && before.length === rows.length && before.every((row, place) => row === rows[place]);
      const from = [this.x, this.y];
      this.have = now.done;
      if (!same) {
        const turn = this.turn;
        this.forget();
        Object.assign(this, {rows, x, y, have: now.done, state: now.state});
        rows.forEach((row, place) => this.place.set(row, place));
        this.busy(now.state === 'working', now);
        const [legend] = await Promise.all([asked ?? this.askColours(), loadPlotly(this.root.dataset.plotly)]).catch(() => {
          this.message('The drawing library could not be loaded. Reload the page.');
          return [];
        });
        if (!legend || turn !== this.turn) return;
        this.message('');
        this.useColours(legend);
        this.tray();
      } else {
        Object.assign(this, {x, y});
        await this.settle(from, [x, y]);
      }
    }

    // The map settles: points glide from one stage to the next.
    async settle(from, to) {
      const still = matchMedia('(prefers-reduced-motion: reduce)').matches || this.rows.length > TWEEN_UP_TO || document.hidden;
      const began = performance.now(), turn = this.turn;
      for (let part = 0; !still && part < 1 && turn === this.turn;) {
        await new Promise(requestAnimationFrame);
        part = Math.min(1, (performance.now() - began) / 600);
        const eased = part * part * (3 - 2 * part);
        this.move(...[0, 1].map((axis) => to[axis].map((value, place) => from[axis][place] + (value - from[axis][place]) * eased)));
      }
      if (turn === this.turn) this.move(...to);
    }

    move(x, y) {
      if (!this.canvas.data) return;
      [this.x, this.y] = [x, y];
      const marks = this.marks(), along = (axis, name) => [...this.members.map((m) => m.map((p) => axis[p])), marks.map((mark) => mark[name])];
      window.Plotly.restyle(this.canvas, {x: along(x, 'x'), y: along(y, 'y')});
    }

    askColours() {
      return this.call('map_colours', {...this.ask, by: this.of('[name=by]').value});
    }

    async colour() {
      if (!this.rows.length) return;
      const before = this.rows, by = this.of('[name=by]').value;
      const legend = await this.askColours();
      if (legend && before === this.rows && by === this.of('[name=by]').value) this.useColours(legend);
    }

    useColours(legend) {
      this.entries = legend.entries;
      this.codes = decode(legend.codes, Uint8Array);
      if (this.codes.length !== this.rows.length) {  // the gallery has grown meanwhile
        this.open();
        return;
      }
      this.members = this.entries.map(() => []);
      this.codes.forEach((code, place) => this.members[code].push(place));
      this.hidden.clear();
      this.legend();
      this.draw();
    }

    ringed() { return this.picked ? this.picked.filter((item) => this.place.has(item.row)).map((item) => this.place.get(item.row)) : []; }

    // Rings round what is picked, and a star for a query that is no point: in the middle of its three nearest.
    marks() {
      const places = this.ringed(), marks = places.map((p, n) => ({x: this.x[p], y: this.y[p], symbol: 'circle-open', accent: n === 0 && !this.query}));
      const nearest = marks.slice(0, 3), middle = (axis) => nearest.reduce((sum, mark) => sum + mark[axis], 0) / nearest.length;
      return this.query && nearest.length ? [...marks, {x: middle('x'), y: middle('y'), symbol: 'star', accent: true}] : marks;
    }

    draw() {
      if (!window.Plotly || !this.entries.length || !this.canvas.isConnected) return;
      const dark = document.body.classList.contains('dark');
      const style = getComputedStyle(this.root), text = style.getPropertyValue('--body-text-color').trim() || '#777';
      const accent = style.getPropertyValue('--color-accent').trim() || '#2563eb';
      const gl = document.createElement('canvas').getContext('webgl') ? 'scattergl' : 'scatter';
      const size = Math.max(4, Math.min(9, 200 / Math.sqrt(this.rows.length)));
      const marks = this.marks(), chosen = this.picked ? new Set(this.ringed()) : this.selected;
      const traces = this.entries.map((entry, code) => ({
        type: gl, mode: 'markers', hoverinfo: 'none', visible: !this.hidden.has(code),
        x: this.members[code].map((p) => this.x[p]), y: this.members[code].map((p) => this.y[p]),
        marker: {color: entry.colour, symbol: entry.symbol, size, opacity: 0.9, line: {width: 0.5, color: dark ? '#0b0f19' : '#ffffff'}},
        selectedpoints: chosen && this.members[code].flatMap((p, n) => (chosen.has(p) ? [n] : [])),
        selected: {marker: {opacity: 1}},
        unselected: {marker: {color: dark ? GREY.dark : GREY.light, opacity: 0.6}},
      }));
      traces.push({
        type: gl, mode: 'markers', hoverinfo: 'skip', visible: true, x: marks.map((mark) => mark.x), y: marks.map((mark) => mark.y),
        marker: {symbol: marks.map((mark) => mark.symbol), color: marks.map((mark) => (mark.accent ? accent : text)), size: marks.map((mark) => size + (mark.accent ? 14 : 6)), line: {width: 1.5}},
      });
      const axis = {visible: false, zeroline: false, showgrid: false};
      const layout = {
        uirevision: this.ask.gallery, selectionrevision: 1, dragmode: this.canvas.layout?.dragmode ?? 'pan', hovermode: 'closest', hoverdistance: 12, showlegend: false,
        margin: {l: 44, r: 8, t: 8, b: 8}, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
        xaxis: {...axis, range: [-1.08, 1.08]}, yaxis: {...axis, range: [-1.08, 1.08], scaleanchor: 'x'},
        modebar: {orientation: 'v', bgcolor: 'rgba(0,0,0,0)', color: text, activecolor: accent},
        newselection: {line: {color: text, width: 1.5, dash: 'dot'}}, font: {color: text},
        selections: this.selected ? this.canvas.layout?.selections ?? [] : [],
      };
      const config = {
        displaylogo: false, displayModeBar: true, scrollZoom: true,
        modeBarButtons: [['pan2d', 'lasso2d', 'select2d'], ['zoomIn2d', 'zoomOut2d', 'resetScale2d']],
      };
      const fresh = !this.canvas.data;
      window.Plotly.react(this.canvas, traces, layout, config);
      if (fresh) this.hook();
    }

    hook() {
      const at = (point) => this.members[point.curveNumber]?.[point.pointNumber];
      this.canvas.on('plotly_hover', (event) => this.hover(at(event.points[0]), event.event));
      this.canvas.on('plotly_unhover', () => this.hover());
      this.canvas.on('plotly_click', (event) => { const p = at(event.points[0]); if (p !== undefined) this.pick(this.rows[p]); });
      this.canvas.on('plotly_selected', (event) => {
        if (!event) return;
        this.selected = new Set(event.points.map(at).filter((p) => p !== undefined));
        if (!this.selected.size) this.selected = null;
        this.picked = this.query = null;
        this.draw();
        this.tray();
      });
      this.canvas.on('plotly_deselect', () => this.clear());
    }

    async describe(rows) {
      const missing = rows.filter((row) => !this.items.has(`${this.ask.gallery}/${row}`));
      if (missing.length) {
        const gallery = this.ask.gallery;
        const found = await this.call('map_items', {gallery, rows: missing});
        if (!found) return [];
        if (this.items.size > 2000) this.items.clear();
        found.forEach((item) => this.items.set(`${gallery}/${item.row}`, item));
      }
      return rows.map((row) => this.items.get(`${this.ask.gallery}/${row}`)).filter(Boolean);
    }

    async hover(place, pointer) {
      const tip = this.of('.vd-map-tip');
      this.hovered = place;
      tip.hidden = true;
      if (place === undefined) return;
      await pause(30);  // the pointer rests
      if (this.hovered !== place) return;
      const [item] = await this.describe([this.rows[place]]);
      if (this.hovered !== place || !item) return;
      tip.replaceChildren(...(item.picture ? [make('img', {src: item.picture, alt: ''})] : []),
        make('strong', {}, title(item)), ...lines(item).map((line) => make('span', {}, line)));
      tip.hidden = false;
      const stage = this.of('.vd-map-stage').getBoundingClientRect();
      const x = pointer.clientX - stage.left, y = pointer.clientY - stage.top;
      tip.style.left = `${Math.max(0, x + 16 + tip.offsetWidth > stage.width ? x - 16 - tip.offsetWidth : x + 16)}px`;
      tip.style.top = `${Math.max(0, Math.min(y - 16, stage.height - tip.offsetHeight))}px`;
    }

    async pick(row) {
      const before = this.rows;  // still these when the tab comes back into view and the map is asked for again
      const found = await this.call('map_near', {...this.ask, row});
      if (!found || before !== this.rows) return;
      this.selected = this.query = null;
      this.picked = found;
      this.hover();
      this.draw();
      this.tray();
    }

    async among(query, found) {
      const before = this.rows;
      const picked = await this.describe(found.filter((row) => this.place.has(row)).slice(0, THUMBNAILS));
      if (before !== this.rows) return;
      Object.assign(this, {selected: null, picked, query});
      this.draw();
      this.tray();
    }

    clear() {
      this.selected = this.picked = this.query = null;
      this.draw();
      this.tray();
    }

    // Legend ---------------------------------------------------------------------------------------------------------
    legend() {
      this.of('.vd-map-legend ul').replaceChildren(...this.entries.map((entry, code) => make('li', {},
        make('button', {
          type: 'button', 'aria-pressed': 'true', class: 'vd-map-entry', title: 'Click: hide or show. Double click: this one alone.',
          onclick: () => this.show((n) => (n === code ? this.hidden.has(n) : !this.hidden.has(n))), ondblclick: () => this.solo(code),
        }, make('i', {style: `background:${entry.colour}`, class: `vd-map-${entry.symbol}`}), make('span', {}, entry.label), make('small', {}, entry.count.toLocaleString('en'))),
        make('button', {type: 'button', class: 'vd-map-only', 'aria-label': `Only ${entry.label}`, onclick: () => this.solo(code)}, 'only'))));
    }

    solo(code) {
      const alone = this.hidden.size === this.entries.length - 1 && !this.hidden.has(code);
      this.show((n) => alone || n === code);
    }

    show(visible) {
      this.hidden = new Set(this.entries.flatMap((_, code) => (visible(code) ? [] : [code])));
      this.root.querySelectorAll('.vd-map-entry').forEach((button, code) => button.setAttribute('aria-pressed', String(!this.hidden.has(code))));
      window.Plotly.restyle(this.canvas, {visible: this.entries.map((_, code) => !this.hidden.has(code))}, this.entries.map((_, code) => code));
    }

    // Tray -----------------------------------------------------------------------------------------------------------
    async tray() {
      const box = this.of('.vd-map-tray'), turn = this.trays = (this.trays ?? 0) + 1;
      const rows = this.picked ? this.picked.map((item) => item.row) : [...this.selected ?? []].map((place) => this.rows[place]);
      if (!rows.length) {
        box.replaceChildren(make('p', {class: 'vd-quiet'}, this.rows.length ? 'Click a point for its nearest neighbours, or draw round many with the lasso or the rectangle on the left.' : ''));
        return;
      }
      const shown = this.picked ?? await this.describe(rows.slice(0, THUMBNAILS));
      if (turn !== this.trays) return;
      if (!this.sending) this.sent.replaceChildren();
      const gallery = this.ask.gallery;
      const look = window.vehicleDemo.lookAlikes;
      const head = this.query ? `${this.query.title} and its ${rows.length} nearest on this map`
        : this.picked ? `${title(shown[0])} and its ${rows.length - 1} nearest by embedding`
        : `${rows.length.toLocaleString('en')} selected${rows.length > shown.length ? `, the first ${shown.length} shown` : ''}`;
      const actions = make('div', {class: 'vd-actions'},
        ...(look ? [make('button', {type: 'button', onclick: () => look({row: rows[0], gallery})}, (this.picked && !this.query) || rows.length === 1 ? 'Use as query' : 'Use the first as query')] : []),
        ...(look && this.selected && rows.length > 1 ? [make('button', {type: 'button', onclick: () => look({rows, gallery})}, 'Use all as one query')] : []),
        ...(this.selected && rows.length > 1 && rows.length < this.rows.length ? [make('button', {type: 'button', onclick: () => this.mapOnly(rows)}, 'Map these alone')] : []),
        make('button', {type: 'button', onclick: () => this.table(rows)}, 'Export CSV'),
        make('button', {type: 'button', onclick: () => this.review(rows)}, 'Send to review'),
        make('button', {type: 'button', onclick: () => this.clear()}, 'Clear'));
      box.replaceChildren(make('div', {class: 'vd-map-head'}, make('strong', {'aria-live': 'polite'}, head), actions), this.sent,
        make('div', {class: 'vd-map-strip'}, ...(this.query ? [this.queryCard()] : []), ...shown.map((item, n) => this.card(item, this.picked && !this.query && n === 0))));
    }

    card(item, chosen) {
      const says = chosen ? 'this one' : item.score === undefined ? (item.facts.model ?? item.facts.type ?? '') : item.score.toFixed(3);
      return make('button', {type: 'button', class: chosen ? 'vd-map-card vd-chosen' : 'vd-map-card', title: [title(item), ...lines(item)].join(', '), onclick: () => this.pick(item.row)},
        item.picture ? make('img', {src: item.picture, alt: ''}) : make('i'), make('span', {}, title(item)), make('small', {}, says));
    }

    queryCard() {
      return make('button', {type: 'button', class: 'vd-map-card vd-chosen', title: 'Back to the query', onclick: () => window.vehicleDemo.selectTab('gallery')},
        this.query.picture ? make('img', {src: this.query.picture, alt: ''}) : make('i'), make('span', {}, this.query.title), make('small', {}, '\u2605 the query'));
    }

    async table(rows) {
      const text = await this.call('map_table', {gallery: this.ask.gallery, rows});
      if (text) save(text, 'vehicles.csv', 'text/csv');
    }

    // A few at a time, each of which the network looks at, so that it can be stopped and goes on where it was.
    async review(rows) {
      if (this.sending) return;
      const {gallery} = this.ask, job = this.sending = {ends: ''}, told = {added: 0, known: 0, gone: 0, thumbnails: 0};
      const stop = make('button', {type: 'button', onclick: () => { job.ends = 'Stopped.'; }}, 'Stop');
      let done = 0, source;
      while (done < rows.length && !job.ends) {
        this.sent.replaceChildren(`Sending to review: ${done.toLocaleString('en')} of ${rows.length.toLocaleString('en')} `, stop);
        const part = rows.slice(done, done + SENT_AT_ONCE);
        const answer = await this.call('map_review', {gallery, rows: part}, (sentence) => { job.ends = sentence; });
        if (!answer) break;
        Object.keys(told).forEach((name) => { told[name] += answer[name]; });
        source = answer.source;
        done += part.length;
        job.ends ||= answer.stopped;
      }
      this.sending = undefined;
      vehicleDemo.refill('review');
      const open = make('button', {type: 'button', onclick: () => vehicleDemo.openDesk('review', 'source', source)}, 'Open Review');
      this.sent.replaceChildren(`${source ? this.sentence(told) : ''}${job.ends} `, ...(source ? [open] : []));
    }

    sentence({added, known, gone, thumbnails}) {
      const many = (count, what) => `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
      return `${many(added, 'vehicle')} added to the review queue${known ? `, ${known.toLocaleString('en')} already there` : ''}. `
        + (thumbnails ? `Of ${many(thumbnails, 'vehicle')} this gallery has only a thumbnail, which Review shows instead of the picture; a gallery that is filled now keeps the pictures. ` : '')
        + (gone ? `Of ${many(gone, 'vehicle')} it has no picture at all. ` : '');
    }

    async figure(kind) {
      this.of('.vd-map-menu[open]')?.removeAttribute('open');
      const before = this.of('.vd-map-status [role=status]').textContent;
      this.status('Drawing the figure');
      const content = await this.call('map_figure', {...this.ask, by: this.of('[name=by]').value, kind});
      if (!content) return;
      save(decode(content, Uint8Array), `map.${kind}`, kind === 'png' ? 'image/png' : 'image/svg+xml');
      this.status(before);
    }

    // {row} of a gallery with its neighbours, or {query: {title, picture}, rows} found for it.
    async mark({row, rows, query, gallery}) {
      if (gallery && (gallery !== this.ask.gallery || Object.keys(this.ask.filters).length || this.ask.only)) {
        this.leave();
        Object.assign(this.ask, {gallery, filters: {}, only: null, part: false});
        this.forget();
        this.open();
      }
      while (!this.entries.length && ['', 'working', 'done'].includes(this.state)) await pause(50);
      if (query) await this.among(query, rows);
      else if (this.place.has(row)) await this.pick(row);
      else this.status('This vehicle is not on the map.');
    }
  }

  return {
    mountMap(element, server) {
      current = new VehicleMap(element.querySelector('.vd-map'), server);
      current.open();
    },
    // Opens the tab with this row, or this query among its results, marked; see `mark`. The tab is not in the page before it is first opened.
    async showOnMap(which) {
      document.querySelector('#vd-map-tab-button')?.click();
      while (!current?.root.isConnected) await pause(50);
      current.mark(which);
    },
  };
})());
