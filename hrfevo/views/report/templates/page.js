// Draws the figures when they come near the screen, in light or dark, and all of them for paper.
// Nothing from data is ever read as HTML: texts are escaped for Plotly, everything else is textContent.
(function () {
  'use strict';
  var page = JSON.parse(document.getElementById('figures').textContent);
  var dark = window.matchMedia('(prefers-color-scheme: dark)');
  // A finger that scrolls the page must not be taken for one that draws a zoom box.
  var touch = !window.matchMedia('(hover: hover)').matches;
  var places = Array.prototype.slice.call(document.querySelectorAll('.plot[id]'));
  var drawn = new Set();

  // The camera saves SVG, for papers; this one three hundred points to an inch.
  var asPng = {
    name: 'png', title: 'Download plot as a PNG', icon: Plotly.Icons.disk,
    click: function (place) { Plotly.downloadImage(place, { format: 'png', filename: place.id, scale: 3 }); }
  };

  function mode() { return dark.matches ? 'dark' : 'light'; }

  function plot(place, figure, inMode, small) {
    figure.layout.template = page.templates[inMode];
    if (touch) { figure.layout.dragmode = false; }
    figure.data.forEach(function (trace) {
      if (trace.meta && trace.meta[inMode]) { trace.line.color = trace.meta[inMode]; }
    });
    Plotly.newPlot(place, figure.data, figure.layout, {
      responsive: true, displaylogo: false, displayModeBar: touch || small ? false : 'hover',
      modeBarButtons: [['toImage', asPng, 'zoom2d', 'pan2d', 'resetScale2d']],
      toImageButtonOptions: { format: 'svg', filename: place.id }
    });
  }

  function draw(place, inMode) {
    var figure = page.figures[place.id];
    var told = figure.layout.meta && figure.layout.meta.told;
    if (told && !drawn.has(place)) { window.hrfevo.fill(figure, told); }
    plot(place, figure, inMode, place.closest('.panels'));
    if (!drawn.has(place)) {
      drawn.add(place);
      var scroll = place.closest('.scroll');
      if (scroll && figure.layout.meta && figure.layout.meta.scroll === 'end') { scroll.scrollLeft = scroll.scrollWidth; }
      place.on('plotly_click', function (event) {
        var point = event.points[0];
        var ids = point && point.data && point.data.ids;
        if (ids && window.hrfevo.showEvaluation) {
          window.hrfevo.showEvaluation(ids[point.pointNumber], place.closest('section'));
        }
      });
    }
  }

  function drawRest(inMode) {
    places.forEach(function (place) { if (!drawn.has(place)) { draw(place, inMode); } });
  }

  function tellOfScrolling() {
    document.querySelectorAll('.scroll').forEach(function (scroll) {
      var hint = scroll.previousElementSibling;
      if (hint && hint.matches('.sideways')) { hint.hidden = scroll.scrollWidth <= scroll.clientWidth; }
    });
  }

  function redraw() { drawn.forEach(function (place) { draw(place, mode()); }); }

  var near = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (entry.isIntersecting && !drawn.has(entry.target)) {
        near.unobserve(entry.target);
        draw(entry.target, mode());
      }
    });
  }, { rootMargin: '500px 0px' });
  places.forEach(function (place) { near.observe(place); });
  tellOfScrolling();
  window.addEventListener('resize', tellOfScrolling);

  dark.addEventListener('change', redraw);
  window.addEventListener('beforeprint', function () {
    if (dark.matches) { drawn.forEach(function (place) { draw(place, 'light'); }); }
    drawRest('light');
  });
  window.addEventListener('afterprint', function () { if (dark.matches) { redraw(); } });

  window.hrfevo = { figures: page.figures, mode: mode, plot: plot, templates: page.templates, touch: touch };
})();
