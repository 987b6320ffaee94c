(function () {
  'use strict';
  var page = JSON.parse(document.getElementById('figures').textContent);
  var dark = window.matchMedia('(prefers-color-scheme: dark)');
  // A finger that scrolls the page must not be taken for one that draws a zoom box.
  var touch = !window.matchMedia('(hover: hover)').matches;
  function draw() {
    Object.keys(page.figures).forEach(function (id) {
      var figure = page.figures[id];
      figure.layout.template = page.templates[dark.matches ? 'dark' : 'light'];
      if (touch) { figure.layout.dragmode = false; }
      Plotly.newPlot(id, figure.data, figure.layout, {
        responsive: true, displaylogo: false, displayModeBar: touch ? false : 'hover',
        modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'resetScale2d']],
        toImageButtonOptions: { format: 'svg', filename: id }
      });
    });
  }
  draw();
  dark.addEventListener('change', draw);
})();
