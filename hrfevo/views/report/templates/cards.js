// A genome's card below the figure in which it was clicked, and the front over any two metrics.
// The data is columns of numbers (see card_data.py), read when it is first needed.
(function () {
  'use strict';
  var cards = null;
  var card = document.getElementById('card');

  function data() {
    if (cards) { return cards; }
    cards = JSON.parse(document.getElementById('cards').textContent);
    var genomes = cards.genomes, evaluations = cards.evaluations;
    cards.indexOf = new Map(evaluations.number.map(function (number, index) { return [String(number), index]; }));
    cards.genomeOf = new Map(genomes.id.map(function (id, index) { return [id, index]; }));
    cards.born = genomes.id.map(function () { return []; });
    genomes.parents.forEach(function (parents, child) {
      parents.forEach(function (parent) { if (cards.born[parent]) { cards.born[parent].push(child); } });
    });
    cards.of = genomes.id.map(function () { return []; });
    evaluations.genome.forEach(function (genome, index) { cards.of[genome].push(index); });
    cards.front = new Set(evaluations.front);
    return cards;
  }

  function element(tag, text, className) {
    var made = document.createElement(tag);
    if (text !== undefined && text !== null) { made.textContent = text; }
    if (className) { made.className = className; }
    return made;
  }

  // As Python writes it; in full by a format of a plugin's that says nothing of digits.
  function written(form, value) {
    if (value === null || value === undefined) { return '–'; }
    var parts = /\.(\d+)([efg%])$/.exec(form);
    if (!parts) { return value.toLocaleString('en-US', { maximumSignificantDigits: 6 }); }
    var digits = Number(parts[1]);
    if (parts[2] === 'e') { return value.toExponential(digits); }
    return value.toLocaleString('en-US', parts[2] === 'g' ? { maximumSignificantDigits: digits || 1 } : {
      style: parts[2] === '%' ? 'percent' : 'decimal', minimumFractionDigits: digits, maximumFractionDigits: digits
    });
  }

  function shown(value) {
    if (Array.isArray(value)) { return '[' + value.map(shown).join(', ') + ']'; }
    return typeof value === 'string' ? value : JSON.stringify(value);
  }

  function genomeLink(index) {
    var known = typeof index === 'number';
    var link = element('button', known ? cards.genomes.id[index] : index, 'link');
    link.type = 'button';
    if (known) { link.addEventListener('click', function () { showGenome(index); }); } else { link.disabled = true; }
    return link;
  }

  function fact(list, name, content, className) {
    var pair = element('div', null, className), value = element('dd');
    pair.appendChild(element('dt', name));
    (Array.isArray(content) ? content : [content]).forEach(function (part) {
      value.append(part, Array.isArray(content) ? ' ' : '');
    });
    pair.appendChild(value);
    list.appendChild(pair);
  }

  function linkList(indices, total) {
    var most = 12;
    var links = indices.slice(0, most).map(genomeLink), rest = (total || indices.length) - links.length;
    if (rest) { links.push((links.length ? 'and ' : '') + rest + (links.length ? ' more' : '')); }
    return links.length ? links : 'none';
  }

  // `on the front`, or the place by first objective among those trained as far.
  function standing(indices) {
    var evaluations = cards.evaluations;
    var finished = indices.filter(function (i) { return cards.statuses[evaluations.status[i]] === 'finished'; });
    if (!finished.length) { return 'no score'; }
    if (finished.some(function (i) { return cards.front.has(i); })) { return 'on the front'; }
    var last = finished.reduce(function (a, b) { return evaluations.rung[b] >= evaluations.rung[a] ? b : a; });
    var metric = Object.keys(cards.objectives)[0];
    var place = evaluations.place[last], peers = cards.peers[evaluations.rung[last]];
    return 'not on the front; ' + place.toLocaleString('en-US') + ' of ' + peers.toLocaleString('en-US') + ' at ' +
      cards.steps[evaluations.rung[last]].toLocaleString('en-US') + ' steps by ' + cards.metrics[metric][0].split(',')[0];
  }

  function geneLine(label, packed) {
    var line = element('div');
    if (label) { line.appendChild(element('b', label + ': ')); }
    cards.shapes[packed[0]].forEach(function (name, place) {
      var pair = element('span');
      pair.append(element('b', name), ' ' + shown(packed[place + 1]));
      line.append(pair, ' ');
    });
    return line;
  }

  function genes(genome) {
    var box = element('div', null, 'genes');
    var outer = cards.genomes.genes[genome], layers = cards.genomes.layers[genome];
    if (outer.length > 1) { box.appendChild(geneLine('', outer)); }
    layers.forEach(function (layer, place) { box.appendChild(geneLine('layer ' + (place + 1), cards.layers[layer])); });
    return box;
  }

  function measurements(indices) {
    var evaluations = cards.evaluations, table = element('table', null, 'measured');
    var head = table.appendChild(element('tbody')), names = Object.keys(cards.metrics);
    function row(label, cells) {
      var line = head.appendChild(element('tr'));
      line.appendChild(element('th', label)).scope = 'row';
      cells.forEach(function (cell) { line.appendChild(element('td', cell, 'n')); });
    }
    row('training steps', indices.map(function (i) { return cards.steps[evaluations.rung[i]].toLocaleString('en-US'); }));
    row('what became of it', indices.map(function (i) {
      var reason = cards.reasons[evaluations.reason[i]];
      return cards.statuses[evaluations.status[i]] + (reason ? ': ' + reason : '');
    }));
    names.forEach(function (name) {
      var values = indices.map(function (i) { return evaluations.values[name][i]; });
      if (values.every(function (value) { return value === null; })) { return; }
      row(cards.metrics[name][0], values.map(function (value) { return written(cards.metrics[name][1], value); }));
    });
    return table;
  }

  function curve(indices, box) {
    var traces = indices.filter(function (i) { return cards.evaluations.curves[i]; }).map(function (i) {
      var packed = cards.evaluations.curves[i];
      return {
        x: cards.grids[packed[0]], y: packed.slice(1), type: 'scatter', mode: 'lines+markers', marker: { size: 4 },
        name: cards.steps[cards.evaluations.rung[i]].toLocaleString('en-US') + ' steps',
        hovertemplate: 'step %{x}: %{y:.4f}<extra></extra>'
      };
    });
    if (!traces.length) { return; }
    var place = box.appendChild(element('div', null, 'curve'));
    Plotly.newPlot(place, traces, {
      template: window.hrfevo.templates[window.hrfevo.mode()], margin: { t: 30, l: 8, r: 8, b: 8 }, dragmode: false,
      showlegend: traces.length > 1,
      xaxis: { title: { text: 'training step' }, rangemode: 'tozero' },
      yaxis: { title: { text: cards.loss } }
    }, { responsive: true, displayModeBar: false });
  }

  // What the genome is, for those on the front: the functions and filters of its model.
  function pictures(genome) {
    var drawn = cards.pictures[cards.genomes.id[genome]];
    if (!drawn) { return; }
    card.appendChild(element('h4', 'What it is'));
    drawn.forEach(function (picture) {
      var box = card.appendChild(element('figure'));
      box.appendChild(element('h5', picture.title));
      box.appendChild(element('figcaption', picture.caption));
      var place = box.appendChild(element('div', null, 'scroll')).appendChild(element('div', null, 'picture'));
      place.style.height = picture.height + 'px';
      window.hrfevo.plot(place, picture, window.hrfevo.mode(), true);
    });
  }

  function showGenome(genome) {
    data();
    var genomes = cards.genomes, indices = cards.of[genome].slice();
    indices.sort(function (a, b) { return cards.evaluations.rung[a] - cards.evaluations.rung[b]; });
    card.textContent = '';
    var head = card.appendChild(element('div', null, 'card-head'));
    head.appendChild(element('h3', 'Genome ' + genomes.id[genome]));
    var close = head.appendChild(element('button', 'Close', 'link'));
    close.type = 'button';
    close.addEventListener('click', function () { card.hidden = true; });
    var facts = card.appendChild(element('dl'));
    fact(facts, 'Rank', standing(indices));
    fact(facts, 'Generation', Math.floor(genomes.birth[genome] / cards.population) + ', birth ' + genomes.birth[genome]);
    fact(facts, 'Made by', cards.operators[genomes.operator[genome]]);
    fact(facts, 'Parents', linkList(genomes.parents[genome]));
    fact(facts, 'Children', linkList(cards.born[genome], genomes.children[genome]), 'wide');
    card.appendChild(genes(genome));
    var columns = card.appendChild(element('div', null, 'card-columns'));
    columns.appendChild(element('div', null, 'scroll')).appendChild(measurements(indices));
    card.hidden = false;
    curve(indices, columns);
    pictures(genome);
    card.scrollIntoView({ block: 'nearest' });
  }

  function showEvaluation(number, section) {
    var index = data().indexOf.get(String(number).split('.')[0]);
    if (index === undefined) { return; }
    section.appendChild(card);
    showGenome(cards.evaluations.genome[index]);
    // The same tap must not fall through to what has come to lie under the finger.
    card.style.pointerEvents = 'none';
    setTimeout(function () { card.style.pointerEvents = ''; }, 400);
  }
  window.hrfevo.showEvaluation = showEvaluation;

  Array.prototype.forEach.call(document.querySelectorAll('button[data-genome]'), function (button) {
    button.addEventListener('click', function () {
      var genome = data().genomeOf.get(button.dataset.genome);
      if (genome === undefined) { return; }
      button.closest('section').appendChild(card);
      showGenome(genome);
    });
  });

  // Plotly reads its labels as HTML: what comes from data is escaped for it.
  function escaped(text) {
    return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  }

  // The genes of a genome in few lines, for the label of a point.
  function label(genome, length) {
    var words = [];
    function add(packed, place) {
      cards.shapes[packed[0]].forEach(function (name, at) {
        words.push(name + (place ? ' ' + place : '') + ' ' + shown(packed[at + 1]).slice(0, 60));
      });
    }
    add(cards.genomes.genes[genome], 0);
    cards.genomes.layers[genome].forEach(function (layer, place) { add(cards.layers[layer], place + 1); });
    var lines = [''], total = 0;
    words.every(function (word, at) {
      if (total > length) { lines[lines.length - 1] += ' …'; return false; }
      var end = at + 1 < words.length ? ', ' : '';
      if (lines[lines.length - 1].length + word.length > 60) { lines.push(''); }
      lines[lines.length - 1] += word + end;
      total += word.length;
      return true;
    });
    return lines.map(escaped).join('<br>');
  }

  // What the front says of its points: genome, generation, genes, then the metrics that its template names.
  window.hrfevo.fill = function (figure, metrics) {
    // A finger sees the genes on the card; a long label would hide the figure.
    var evaluations = data().evaluations, touch = window.hrfevo.touch;
    figure.data.forEach(function (trace) {
      if (!trace.ids) { return; }
      trace.customdata = trace.ids.map(function (number) {
        var index = cards.indexOf.get(number), genome = evaluations.genome[index];
        var values = metrics.map(function (name) { return evaluations.values[name][index]; });
        var generation = Math.floor(cards.genomes.birth[genome] / cards.population);
        return [escaped(cards.genomes.id[genome]), generation, touch ? '' : label(genome, 600)].concat(values);
      });
    });
  };

  // The front over other metrics: points find their values by the numbers of their evaluations.
  var chooser = document.getElementById('choose');
  if (!chooser) { return; }
  var figure = window.hrfevo.figures[chooser.dataset.figure];
  var axes = JSON.parse(chooser.dataset.axes);
  var first = { x: chooser.elements.x.value, y: chooser.elements.y.value };

  var told = figure.layout.meta.told;
  var templates = figure.data.map(function (trace) { return trace.hovertemplate; });

  function choose() {
    var names = { x: chooser.elements.x.value, y: chooser.elements.y.value };
    var evaluations = data().evaluations;
    var more = ['y', 'x'].filter(function (axis) { return told.indexOf(names[axis]) < 0; }).map(function (axis) {
      return '<br>' + axes[names[axis]].name + ' %{' + axis + '}';
    }).join('');
    figure.data.forEach(function (trace, at) {
      if (!trace.ids) { trace.visible = names.x === first.x && names.y === first.y; return; }
      trace.hovertemplate = templates[at].replace('<extra>', more + '<extra>');
      ['x', 'y'].forEach(function (axis) {
        var values = evaluations.values[names[axis]];
        trace[axis] = trace.ids.map(function (number) { return values[cards.indexOf.get(number)]; });
      });
    });
    figure.layout.xaxis = Object.assign({}, axes[names.x].axis);
    figure.layout.yaxis = Object.assign({}, axes[names.y].axis);
    var title = axes[names.y].name + ' against ' + axes[names.x].name;
    chooser.closest('section').querySelector('h2').textContent = title[0].toUpperCase() + title.slice(1);
    var place = document.getElementById(chooser.dataset.figure);
    Plotly.react(place, figure.data, figure.layout);
  }
  chooser.addEventListener('change', choose);
  chooser.addEventListener('submit', function (event) { event.preventDefault(); });
})();
