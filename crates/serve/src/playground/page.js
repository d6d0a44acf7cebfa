// What both pages share: elements, the API, which page is shown.
"use strict";

const $ = (id) => document.getElementById(id);

/** An element with attributes (or properties, for functions and values) and children; texts are always text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function" || key === "value") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const percent = (x) => (x === null || x === undefined ? "–" : (100 * x).toFixed(1) + " %");

function problem(message) {
  $("problem").textContent = message || "";
  $("problem").hidden = !message;
}

/** Asks the server; a refusal is an Error with its message. */
async function api(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = "Bearer " + token;
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) $("access").hidden = false;
  if (!response.ok) {
    let message = response.status + " " + response.statusText;
    try {
      message = (await response.json()).error.message;
    } catch {
      // The body says no more than the status.
    }
    throw new Error(message);
  }
  return response;
}

const server = { packs: [], model: "", details: new Map() };

async function loadServer() {
  const models = await (await api("/v1/models")).json();
  server.model = models.data[0].id;
  $("model").textContent = "Model " + server.model;
  server.packs = (await (await api("/packs")).json()).packs;
  server.details.clear();
  for (const pack of server.packs) {
    server.details.set(pack.name, await (await api("/packs/" + encodeURIComponent(pack.name))).json());
  }
}

/** A menu of all tools, by pack, with "no tool" first. */
function toolMenu(label, chosen, packs = [...server.details.values()]) {
  const menu = el("select", { "aria-label": label }, el("option", { value: "" }, "no tool"));
  for (const pack of packs) {
    const options = pack.tools.map((tool) => el("option", { value: tool.name }, tool.name));
    menu.append(el("optgroup", { label: pack.name }, options));
  }
  menu.value = chosen || "";
  return menu;
}

/** Fits a pack with these examples, in the server's memory; the seconds that it took. */
async function refit(pack, examples) {
  const started = performance.now();
  await api("/packs/" + encodeURIComponent(pack) + "/examples", { method: "PUT", body: JSON.stringify(examples) });
  const seconds = (performance.now() - started) / 1000;
  server.details.set(pack, await (await api("/packs/" + encodeURIComponent(pack))).json());
  return seconds;
}

function show() {
  const name = decodeURIComponent((location.hash.match(/^#\/pack\/(.+)$/) || [])[1] || "");
  const pack = server.details.get(name);
  const link = (href, text, current) => el("a", { href, "aria-current": current && "page" }, text);
  $("nav").replaceChildren(
    link("#/", "Chat", !pack),
    ...server.packs.map((each) => link("#/pack/" + encodeURIComponent(each.name), each.name, each.name === name)),
  );
  $("chat").hidden = Boolean(pack);
  $("pack").hidden = !pack;
  if (pack) showPack(pack);
}

async function begin() {
  try {
    await loadServer();
    $("access").hidden = true;
    problem("");
  } catch (error) {
    problem(error.message);
  }
  show();
  if (!messages.length) showStart();
}

window.addEventListener("hashchange", show);
document.addEventListener("DOMContentLoaded", () => {
  $("access").onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", $("token").value);
    begin();
  };
  beginChat();
  begin();
});
