"use strict";
(function () {
  var data = document.getElementById("plan").textContent;
  var rows = Array.prototype.slice.call(document.querySelectorAll(".row"));
  var search = document.getElementById("search");
  var action = document.getElementById("action");
  var found = document.getElementById("found");
  var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });

  function filter() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    rows.forEach(function (row, i) {
      var is = words.every(function (word) { return texts[i].indexOf(word) >= 0; }) &&
        (action.value === "" || row.dataset.action === action.value);
      row.hidden = !is;
      if (is) { shown++; }
    });
    found.textContent = words.length > 0 || action.value !== "" ? shown + " of " + rows.length : "";
  }

  // A link leads to a row also where a filter hides it.
  function follow() {
    var id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch (e) { return; }
    var row = id && document.getElementById(id);
    if (!row) { return; }
    row.hidden = false;
    row.scrollIntoView();
    if (row.tabIndex === -1) { row.focus({ preventScroll: true }); }
  }

  document.getElementById("filter").addEventListener("submit", function (e) { e.preventDefault(); });
  search.addEventListener("input", filter);
  action.addEventListener("change", filter);
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", function (e) {
    if (e.key === "/" && e.target === document.body) { e.preventDefault(); search.focus(); }
    if (e.key === "Escape" && e.target === search) { search.value = ""; filter(); }
  });
  document.getElementById("raw").addEventListener("toggle", function () {
    document.getElementById("json").textContent = JSON.stringify(JSON.parse(data), null, 2);
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not(#raw)").forEach(function (d) { d.open = true; });
  });
  follow();
  document.documentElement.dataset.ready = "yes";
})();
