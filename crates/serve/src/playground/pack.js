// A pack's page: tools, figures, confusion, map, examples.

function showPack(pack) {
  const report = pack.report;
  const part = (title, ...content) => [el("h2", {}, title), ...content];
  $("pack").replaceChildren(
    el("h2", {}, pack.name),
    el("p", {}, `${pack.tools.length} tools, ${pack.examples.length} examples, threshold ${pack.bias.toFixed(2)}. `, figures(report)),
    ...part("Tools", el("div", { class: "scroll" }, toolTable(pack))),
    ...part("Examples", exampleEditor(pack)),
    ...(report ? part("Confusion", confusion(pack, report)) : []),
    ...(report?.mistakes.length ? part("Decided wrongly", mistakes(report)) : []),
    ...part("Map", el("p", { class: "quiet" }, "The tools' rows on their first two principal components, drawn apart where they crowd: what stands close is told apart by little."), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Map" }, map(pack))),
  );
}

function figures(report) {
  if (!report) return "Fitted again in memory: its figures are those of the next `toolken pack fit`.";
  return `Held out: right tool or rightly none ${percent(report.accuracy)}, recall ${percent(report.recall)}, precision ${percent(report.precision)}, false calls ${percent(report.false_calls)}.`;
}

function toolTable(pack) {
  const known = new Map((pack.report?.tools ?? []).map((tool) => [tool.tool, tool]));
  const counted = new Map();
  for (const example of pack.examples) counted.set(example.tool, (counted.get(example.tool) ?? 0) + 1);
  const rows = pack.tools.map((tool) => {
    const figures = known.get(tool.name);
    const confused = (figures?.confused_with ?? []).map(([name, count]) => `${name} ${count}`).join(", ");
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, tool.name),
      el("td", { class: "wide" }, tool.description.split("\n")[0].slice(0, 160)),
      el("td", { class: "number" }, String(counted.get(tool.name) ?? 0)),
      pack.report && [
        el("td", { class: "number" }, percent(figures?.precision)),
        el("td", { class: "number" }, percent(figures?.recall)),
        el("td", {}, confused),
        el("td", { class: "number" }, figures?.wants ? String(figures.wants) : ""),
      ],
    );
  });
  const head = ["tool", "what it does", "examples", ...(pack.report ? ["precision", "recall", "called instead", "wants more"] : [])];
  const numbers = new Set(["examples", "precision", "recall", "wants more"]);
  return el("table", {}, el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col", class: numbers.has(text) ? "number" : text === "what it does" && "wide" }, text)))), el("tbody", {}, rows));
}

/** Rows are what was wanted, columns what was called; both in the order of the tools, and none at the end. */
function confusion(pack, report) {
  const names = [...report.tools.map((tool) => tool.tool), "no tool"];
  const head = el("tr", {}, el("td", {}), names.map((name, i) => el("th", { scope: "col", title: name }, i === names.length - 1 ? "–" : String(i + 1))));
  const rows = report.confusion.map((row, i) => {
    const whole = row.reduce((a, b) => a + b, 0);
    const cells = row.map((count, j) => {
      const title = `wanted ${names[i]}, called ${names[j]}: ${count}`;
      const cell = el("td", { class: count ? (i === j ? "right" : "wrong") : null, title: count ? title : null }, count ? String(count) : "");
      if (count) cell.style.setProperty("--share", count / whole);
      return cell;
    });
    return el("tr", {}, el("th", { scope: "row" }, i === names.length - 1 ? names[i] : `${names[i]} ${i + 1}`), cells);
  });
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Confusion" }, el("table", { class: "confusion" }, el("caption", { class: "quiet" }, "A row is what was wanted, a column what was called, by fits that had not seen the message."), el("thead", {}, head), el("tbody", {}, rows)));
}

function mistakes(report) {
  const rows = report.mistakes.map(([message, wanted, called]) => el("tr", {}, el("td", {}, message), el("td", {}, wanted ?? "no tool"), el("td", {}, called ?? "no tool")));
  return el("table", {}, el("thead", {}, el("tr", {}, ["message", "wanted", "called"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, rows));
}

function map(pack) {
  const [width, height, edge] = [900, 520, 60];
  const svg = (name, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  // Halfway between its value and its rank: a row far out would press all others together.
  const placer = (axis, size) => {
    const sorted = pack.map.map((point) => point[axis]).sort((a, b) => a - b);
    const [low, high] = [sorted[0], sorted.at(-1)];
    const last = sorted.length - 1 || 1;
    return (value) => edge + (0.5 * ((value - low) / (high - low || 1)) + 0.5 * (sorted.indexOf(value) / last)) * (size - 2 * edge);
  };
  const [across, up] = [placer(0, width), placer(1, height)];
  // Labels that would lie on each other move down, line by line.
  const taken = [];
  const points = pack.tools
    .map((tool, i) => ({ name: tool.name, x: across(pack.map[i][0]), y: height - up(pack.map[i][1]) }))
    .sort((a, b) => a.y - b.y);
  const drawn = points.flatMap(({ name, x, y }) => {
    const right = x < width - 160;
    const reach = 7 * name.length;
    const from = right ? x + 7 : x - 7 - reach;
    let line = y + 4;
    while (taken.some((other) => Math.abs(other.line - line) < 11 && from < other.to && other.from < from + reach)) line += 3;
    taken.push({ line, from, to: from + reach });
    return [
      ...(line - y > 12 ? [svg("line", { x1: x, y1: y, x2: right ? x + 7 : x - 7, y2: line - 4 })] : []),
      svg("circle", { cx: x, cy: y, r: 4 }, svg("title", {}, name)),
      svg("text", { x: right ? x + 7 : x - 7, y: line, "text-anchor": right ? "start" : "end" }, name),
    ];
  });
  return svg("svg", { class: "map", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Map of the tools' rows" }, ...drawn);
}

function exampleEditor(pack) {
  const chats = pack.examples.filter((example) => example.messages);
  const list = el("ul", { class: "examples" });
  const filter = toolMenu("Show the examples of", "", [pack]);
  filter.firstChild.textContent = "all tools";
  const status = el("span", { class: "quiet", role: "status" });
  const row = (example) => {
    const text = el("input", { type: "text", value: example.user, "aria-label": "Message" });
    const tool = toolMenu("Its tool", example.tool, [pack]);
    const item = el("li", {}, text, tool, el("button", { type: "button", "aria-label": "Remove: " + example.user, onclick: () => item.remove() }, "Remove"));
    item.example = () => {
      const [user, wanted] = [text.value.trim(), tool.value || undefined];
      // The arguments are of that message and that tool.
      const kept = user === example.user && wanted === example.tool ? {} : { arguments: undefined };
      return { ...example, user, tool: wanted, ...kept };
    };
    return item;
  };
  list.append(...pack.examples.filter((example) => example.user).map(row));
  const current = () => [...list.children].map((item) => item.example()).filter((example) => example.user).concat(chats);
  filter.onchange = () => {
    for (const item of list.children) item.hidden = filter.value !== "" && item.example().tool !== filter.value;
  };
  const add = () => {
    const item = row({ user: "", tool: filter.value });
    list.prepend(item);
    item.querySelector("input").focus();
  };
  const fit = async (event) => {
    event.target.disabled = true;
    status.textContent = "Fitting …";
    try {
      const seconds = await refit(pack.name, current());
      status.textContent = `Fitted in ${seconds.toFixed(1)} s, in the server's memory; the pack's files are as they were.`;
    } catch (error) {
      status.textContent = error.message;
    } finally {
      event.target.disabled = false;
    }
  };
  const save = () => {
    const lines = current().map((example) => JSON.stringify(example) + "\n");
    const url = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    el("a", { href: url, download: "examples.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  const folded = el("details", {}, el("summary", {}, `${pack.examples.length} examples: show and edit`), list);
  const controls = el("div", { class: "row sticky" }, filter, el("button", { type: "button", onclick: () => { folded.open = true; add(); } }, "Add an example"), el("button", { type: "button", class: "main", onclick: fit }, "Fit again"), el("button", { type: "button", onclick: save }, "Save as examples.jsonl"), status);
  const note = chats.length ? el("p", { class: "quiet" }, `${chats.length} whole conversations are kept as they are.`) : null;
  return el("div", {}, note, folded, controls);
}
