// What Dash's controls leave undone for keyboards and screen readers.
(function () {
  var boxes = { runs: ['group', 'Runs to show'], tab: ['radiogroup', 'What to show of them'] };
  var focused = null, opener = null, wasOpen = false;

  function name() {  // lists of options with inputs inside are groups of inputs
    Object.keys(boxes).forEach(function (id) {
      var box = document.getElementById(id);
      if (!box) { return; }
      box.setAttribute('role', boxes[id][0]);
      box.setAttribute('aria-label', boxes[id][1]);
      box.querySelectorAll('[role=option], [aria-selected]').forEach(function (option) {
        option.removeAttribute('role');
        option.removeAttribute('aria-selected');
      });
    });
  }

  function focus(id) {
    var element = id && document.getElementById(id);
    if (element) { element.focus({ preventScroll: true }); }
  }

  function follow() {
    var drawer = document.getElementById('drawer'), isOpen = Boolean(drawer) && !drawer.hidden;
    if (isOpen && !wasOpen) { opener = focused; focus('close'); }
    if (!isOpen && wasOpen) { focus(opener); }
    wasOpen = isOpen;
    // News replace what had the focus by its like.
    if (focused && document.activeElement === document.body) { focus(focused); }
  }

  document.addEventListener('pointerdown', function () { focused = null; }, true);
  document.addEventListener('focusin', function (event) { focused = event.target.id || null; });
  document.addEventListener('keydown', function (event) {
    if (event.key === 'Escape' && wasOpen) { document.getElementById('close').click(); }
  });
  new MutationObserver(function () { name(); follow(); }).observe(
    document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['hidden', 'aria-selected'] });
})();
