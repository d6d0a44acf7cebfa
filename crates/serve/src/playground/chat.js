// The conversation, its decisions, and teaching.

/** What was said, in the API's layout. */
let messages = [];
/** The request under way. */
let running = null;

function beginChat() {
  $("ask").onsubmit = (event) => {
    event.preventDefault();
    const text = $("message").value.trim();
    if (!text || running) return;
    $("message").value = "";
    $("log").querySelector(".start")?.remove();
    messages.push({ role: "user", content: text });
    turnElement("user", "You").querySelector(".said").textContent = text;
    answer();
  };
  $("message").onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("ask").requestSubmit();
    }
  };
  $("stop").onclick = () => running?.abort();
  $("clear").onclick = () => {
    running?.abort();
    messages = [];
    showStart();
    $("teach").replaceChildren();
    problem("");
    $("message").focus();
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "Escape") running?.abort();
    if (event.key === "/" && !typing && !$("chat").hidden) {
      event.preventDefault();
      $("message").focus();
    }
  });
}

/** What stands in an empty conversation: a few of the packs' own examples to begin with. */
function showStart() {
  const examples = [...server.details.values()].flatMap((pack) => pack.examples.filter((example) => example.user));
  const tools = [...new Set(examples.map((example) => example.tool))];
  const some = tools.filter((_, i) => i % Math.ceil(tools.length / 4) === 0).slice(0, 4);
  const begin = (text) => {
    $("message").value = text;
    $("ask").requestSubmit();
  };
  const offers = some.map((tool) => examples.find((example) => example.tool === tool).user);
  const buttons = offers.map((text) => el("button", { type: "button", onclick: () => begin(text) }, text));
  const count = [...server.details.values()].reduce((sum, pack) => sum + pack.tools.length, 0);
  const known = count ? `${count} tools are known, and none of them stands in the prompt.` : "No pack is loaded: the model answers in words alone.";
  $("log").replaceChildren(el("div", { class: "start" }, el("p", { class: "quiet" }, known + (buttons.length ? " Ask something, or try one of these:" : "")), buttons));
  $("decisions").replaceChildren(el("p", { class: "quiet" }, "Before each token the model's words and the packs' tools compete. Every decision is shown here."));
}

function turnElement(kind, who) {
  const turn = el("article", { class: "turn " + kind }, el("div", { class: "who" }, who), el("div", { class: "said" }));
  $("log").append(turn);
  return turn;
}

function callElement(name, args, result, failed, micros) {
  const time = micros === undefined ? "" : ` in ${(micros / 1e6).toFixed(2)} s`;
  const answered = result === undefined ? null : el("div", {}, "gave" + time, el("pre", { class: failed && "failed" }, result));
  return el("div", { class: "call" }, el("code", {}, name + " " + args), answered);
}

/** One request as a stream: `on` hears every chunk. */
async function stream(body, on, signal) {
  const asked = { model: server.model, stream: true, max_tokens: 256, toolken: { all_tools: true, trace: true }, ...body };
  const response = await api("/v1/chat/completions", { method: "POST", body: JSON.stringify(asked), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") continue;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      on(chunk);
    }
  }
}

/** The assistant's next turn. */
async function answer() {
  const turn = turnElement("assistant", server.model);
  const said = turn.querySelector(".said");
  let calls = [];
  let text = "";
  let trace = null;
  // What is said belongs to this conversation, though another may have begun by its end.
  const own = messages;
  running = new AbortController();
  $("send").disabled = true;
  $("stop").disabled = false;
  problem("");
  try {
    const hear = (chunk) => {
      const ran = chunk.toolken?.ran;
      // The trace at the end lists all calls that were run: each has been shown when it ran.
      if (ran && !Array.isArray(ran)) {
        const { tool, arguments: args, result, failed, micros } = ran;
        turn.insertBefore(callElement(tool, args, result, failed, micros), said);
      }
      trace = chunk.toolken?.generations ? chunk.toolken : trace;
      const delta = chunk.choices[0]?.delta ?? {};
      text += delta.content ?? "";
      said.textContent = text;
      for (const part of delta.tool_calls ?? []) {
        if (part.id) {
          const shown = callElement(part.function.name, "");
          turn.append(shown);
          calls[part.index] = { id: part.id, type: "function", function: { name: part.function.name, arguments: "" }, shown };
        }
        const call = calls[part.index];
        call.function.arguments += part.function.arguments ?? "";
        call.shown.querySelector("code").textContent = call.function.name + " " + call.function.arguments;
      }
      $("log").scrollTop = $("log").scrollHeight;
    };
    await stream({ messages: own }, hear, running.signal);
  } catch (error) {
    if (error.name !== "AbortError") problem(error.message);
    turn.append(el("p", { class: "quiet" }, error.name === "AbortError" ? "stopped" : "failed"));
  } finally {
    running = null;
    $("send").disabled = false;
    $("stop").disabled = true;
  }
  // What was broken off is no call.
  const whole = (call) => { try { JSON.parse(call.function.arguments); return true; } catch { return false; } };
  calls = calls.filter(whole);
  const made = calls.map(({ shown, ...call }) => call);
  if (own !== messages || !(text || made.length)) return;
  own.push({ role: "assistant", content: text, ...(made.length ? { tool_calls: made } : {}) });
  if (trace) {
    const asked = own.slice(0, -1);
    turn.append(el("button", { type: "button", class: "show", onclick: () => showTrace(trace, asked) }, "decisions of this turn"));
    showTrace(trace, asked);
  }
  if (made.length) askForResults(turn, calls);
}

/** Calls that the server does not run: whoever sits here says what they gave. */
function askForResults(turn, calls) {
  const fields = calls.map((call) => el("input", { type: "text", "aria-label": "Result of " + call.function.name, placeholder: "what " + call.function.name + " gives" }));
  const form = el("form", { class: "row" }, fields, el("button", {}, "Give the result"));
  form.onsubmit = (event) => {
    event.preventDefault();
    calls.forEach((call, i) => {
      messages.push({ role: "tool", tool_call_id: call.id, content: fields[i].value });
      call.shown.append(el("div", {}, "gave", el("pre", {}, fields[i].value)));
    });
    form.remove();
    answer();
  };
  turn.append(form);
  fields[0].focus();
}

/** A decision's rivals as bars: tools in colour. */
function bars(decision, most = 8) {
  const rivals = [...decision.alternatives, ...(decision.tools ?? [])];
  const seen = new Set();
  const rows = rivals
    .map((rival) => ({ name: rival.tool ?? JSON.stringify(rival.word), tool: rival.tool !== undefined, p: rival.p }))
    .filter((rival) => !seen.has(rival.name) && seen.add(rival.name))
    .sort((a, b) => b.p - a.p)
    .slice(0, most);
  const list = el("dl", { class: "bars" });
  for (const { name, tool, p } of rows) {
    const filled = el("span");
    filled.style.width = 100 * p + "%";
    list.append(
      el("dt", { class: tool && "tool", title: name }, name),
      el("dd", { class: "bar", "aria-hidden": "true" }, filled),
      el("dd", { class: "number" }, percent(p)),
    );
  }
  return list;
}

function showTrace(trace, asked) {
  const panel = $("decisions");
  panel.replaceChildren(el("h2", {}, "Decisions"));
  const decisions = trace.generations.flatMap((generation) => generation.decisions);
  if (!decisions.length) {
    panel.append(el("p", { class: "quiet" }, "No tool could be called here."));
    return;
  }
  const detail = el("div", { "aria-live": "polite" });
  const chosenOf = (decision) => decision.chosen?.tool ?? (decision.chosen ? JSON.stringify(decision.chosen.word) : "the turn's end");
  const pick = (i) => {
    buttons.forEach((button, j) => {
      button.setAttribute("aria-pressed", String(i === j));
      button.tabIndex = i === j ? 0 : -1;
    });
    const decision = decisions[i];
    detail.replaceChildren(
      el("p", {}, `Decision ${i + 1} of ${decisions.length}: took `, el("strong", {}, chosenOf(decision)), `, any tool ${percent(decision.p_tool)}`),
      bars(decision),
    );
  };
  const buttons = decisions.map((decision, i) => {
    const filled = el("span");
    filled.style.height = 28 * decision.p_tool + "px";
    return el("button", { type: "button", title: chosenOf(decision), "aria-label": `Decision ${i + 1}: ${chosenOf(decision)}, tools ${percent(decision.p_tool)}`, onclick: () => pick(i) }, filled);
  });
  const strip = el("div", { class: "strip", role: "group", "aria-label": "Probability of a tool at each decision; arrow keys move" }, buttons);
  strip.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[at + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  };
  const called = decisions.findIndex((decision) => decision.chosen?.tool);
  panel.append(el("p", { class: "quiet" }, "How likely a tool was, token by token:"), strip, detail);
  pick(Math.max(called, 0));
  showCalls(panel, trace);
  if (asked.at(-1)?.role === "user") showTeaching(asked, decisions[0]);
}

function showCalls(panel, trace) {
  const attempts = trace.generations.flatMap((generation) => generation.decisions.flatMap((decision) => decision.attempts ?? []));
  const rows = [
    ...attempts.filter((a) => a.client === undefined).map((a) => [a.tool, a.arguments, a.result ?? a.error, a.error !== undefined, a.micros]),
    ...trace.ran.map((a) => [a.tool, a.arguments, a.result, a.failed, a.micros]),
    ...attempts.filter((a) => a.client !== undefined && !trace.ran.some((r) => r.tool === a.tool)).map((a) => [a.tool, a.arguments]),
  ];
  if (rows.length) panel.append(el("h3", {}, "Calls"), ...rows.map((row) => callElement(...row)));
  const tokens = trace.generations.reduce((sum, g) => sum + g.tokens.prompt, 0);
  const seconds = trace.generations.reduce((sum, g) => sum + g.micros, 0) / 1e6;
  panel.append(el("p", { class: "quiet" }, `${tokens} tokens of prompt, no tool among them; ${seconds.toFixed(2)} s`));
}

/** Adds the message as an example, fits again, and shows what the same decision is now. */
function showTeaching(asked, before) {
  const message = asked.at(-1).content;
  const menu = toolMenu("The tool that this message wants", before.chosen?.tool);
  const outcome = el("div", { "aria-live": "polite" });
  const button = el("button", { class: "main" }, "Teach it and fit again");
  const form = el("form", {}, el("h3", {}, "Teach"), el("p", { class: "quiet" }, `“${message}” wants`), menu, button, outcome);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const tool = menu.value;
    const pack = [...server.details.values()].find((pack) => !tool || pack.tools.some((t) => t.name === tool));
    if (!pack) return;
    button.disabled = true;
    outcome.replaceChildren("Fitting …");
    try {
      const others = pack.examples.filter((example) => example.user !== message);
      const known = pack.examples.find((example) => example.user === message && example.tool === tool);
      const seconds = await refit(pack.name, [...others, known ?? (tool ? { user: message, tool } : { user: message })]);
      let after = null;
      const hear = (chunk) => (after ??= chunk.toolken?.generations?.[0]?.decisions[0]);
      await stream({ messages: asked, max_tokens: 1 }, hear);
      outcome.replaceChildren(
        el("p", {}, `Fitted in ${seconds.toFixed(1)} s. The first decision:`),
        el("div", { class: "pair" }, el("h4", {}, "before"), bars(before, 4), el("h4", {}, "after"), after ? bars(after, 4) : "–"),
      );
      outcome.scrollIntoView({ block: "nearest" });
    } catch (error) {
      outcome.replaceChildren(error.message);
    } finally {
      button.disabled = false;
    }
  };
  $("teach").replaceChildren(form);
}
