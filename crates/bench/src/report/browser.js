(() => {
  const at = id => document.getElementById(id);
  const [task, a, b, show, find, count, list] =
    ["b-task", "b-a", "b-b", "b-show", "b-find", "b-count", "b-list"].map(at);
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  const fill = (select, values, chosen) => {
    select.replaceChildren(...values.map(value => {
      const option = make("option", value);
      option.value = value;
      option.selected = value === chosen;
      return option;
    }));
  };
  const answer = (name, found) => {
    const box = make("div");
    if (!found) { box.append(make("p", name + ": no answer")); return box; }
    box.append(make("p", name + ": " + (found.strict ? "right" : found.lax ? "right by the laxer rule, strictly wrong" : "wrong"), found.strict ? "right" : "wrong"));
    box.append(make("pre", found.text.trim()));
    for (const call of found.calls) box.append(make("pre", call));
    if (found.ranked.length) box.append(make("p", "retrieved: " + found.ranked.slice(0, 5).join(", "), "note"));
    if (found.decisions.length) {
      const more = make("details");
      more.append(make("summary", found.decisions.length + " decisions"));
      for (const line of found.decisions) more.append(make("pre", line));
      box.append(more);
    }
    return box;
  };
  const kept = question => {
    const [x, y] = [question.answers[a.value], question.answers[b.value]];
    // What one of them was not asked is neither right nor wrong.
    const [both, p, q] = [x && y, !!(x && x.strict), !!(y && y.strict)];
    const words = find.value.trim().toLowerCase();
    if (words && !(question.text + " " + question.id).toLowerCase().includes(words)) return false;
    switch (show.value) {
      case "ab": return both && p && !q;
      case "ba": return both && q && !p;
      case "both": return both && p && q;
      case "none": return both && !p && !q;
      case "failed": return !!((x && x.failed) || (y && y.failed));
      default: return true;
    }
  };
  const draw = () => {
    const shown = (DATA[task.value] || []).filter(kept);
    count.textContent = shown.length + " questions";
    list.replaceChildren(...shown.map(question => {
      const entry = make("details");
      const [x, y] = [question.answers[a.value], question.answers[b.value]];
      const mark = found => found ? (found.strict ? "✓" : "✗") : "–";
      entry.append(make("summary", mark(x) + mark(y) + " " + question.id + ": " + question.text));
      entry.addEventListener("toggle", () => {
        if (!entry.open || entry.dataset.filled) return;
        entry.dataset.filled = "yes";
        entry.append(make("p", "expected " + question.expected + (question.tools.length ? ", by " + question.tools.join(", ") : "")));
        const side = make("div", undefined, "side");
        side.append(answer("A, " + a.value, x), answer("B, " + b.value, y));
        entry.append(side);
      });
      return entry;
    }));
  };
  const methods = () => {
    const names = new Set((DATA[task.value] || []).flatMap(question => Object.keys(question.answers)));
    const all = [...names].sort();
    const first = all.find(name => name.startsWith("exact,")) || all[0];
    fill(a, all, first);
    fill(b, all, all.find(name => name !== first) || first);
    draw();
  };
  fill(task, Object.keys(DATA));
  task.addEventListener("change", methods);
  for (const control of [a, b, show]) control.addEventListener("change", draw);
  find.addEventListener("input", draw);
  methods();
})();
