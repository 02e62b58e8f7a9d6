"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const model = Object.fromEntries(data.models.map((m) => [m.name, m]));
const route = Object.fromEntries(data.routes.map((r) => [r.id, r]));
const NAMES = { c: "correct", i: "incorrect", r: "refusal", x: "invalid", e: "error" };
const PAGE = 40;

/* ---- elements: texts are only ever put in as text */

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}
const options = (select, values, label = (v) => v) =>
  select.append(...values.map((value) => el("option", { value }, label(value))));
const decimal = (value, digits = 2) => {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  let text = value.toFixed(digits);
  if (Number(text) === 0) text = text.replace("-", "");
  return text.replace(/^(-?)0\./, "$1.");
};
const percent = (logp) => (logp === null ? "–" : Math.exp(logp) >= 0.995 ? "> 99 %" : `${(100 * Math.exp(logp)).toPrecision(2)} %`);
const shownBounds = ([value, low, high]) => (low === null || high === null || (low === value && high === value) ? "" : ` [${decimal(low)}, ${decimal(high)}]`);
const personName = (id) => (data.people[id] ? `${data.people[id]} (${id})` : id);

function figure(name) {
  const found = data.figures[name];
  if (!found || found[0] === null) return el("span", { class: "dim" }, "–");
  return el("button", { type: "button", class: "n", "data-f": name }, decimal(found[0]), el("small", {}, shownBounds(found)));
}

/* ---- parts: opened when they are needed */

const opened = {};
async function inflate(id) {
  const bytes = Uint8Array.from(atob($(id).textContent.trim()), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
}
function part(name) {
  if (!(name in data.parts)) return Promise.resolve(null);
  opened[name] ||= inflate(data.parts[name]).then(JSON.parse);
  return opened[name];
}
async function answersOf(name, seed) {
  return part(`${name}/${seed}`);
}
function answer(said, i) {
  const status = said.status[i];
  if (status === "-") return null;
  const logp = said.logp[i] === null ? null : said.logp[i] / 100;
  const graded = said.score[i];
  return { status: NAMES[status], text: said.text[i], logp, score: graded === undefined ? Number(status === "c") : graded };
}

/* ---- where it comes from */

const PARTS = {
  rows: "its rows enter the number", verdict: "its verdict lets the seed count",
  verified: "it must be verified, or the seed does not count", steps: "its record tells the steps", status: "its status is counted",
};
const dialog = $("origin");

function open(title, ...children) {
  const close = el("button", { type: "button", class: "close", "aria-label": "close", onclick: () => dialog.close() }, "✕");
  dialog.replaceChildren(el("h2", { id: "origin-title" }, title), close, ...children.flat(Infinity).filter(Boolean));
  if (!dialog.open) dialog.showModal();
  shown = location.hash;
  dialog.scrollTop = 0;
}
let shown = ""; // what the dialog was opened for: by the time that it tells of its end, another may be asked for
dialog.addEventListener("close", () => {
  if (location.hash === shown) history.replaceState(null, "", location.pathname + location.search);
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

function command(text) {
  const shown = el("pre", {}, text);
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "copied"; } catch {
      getSelection().selectAllChildren(shown);
      button.textContent = "selected";
    }
  };
  const button = el("button", { type: "button", onclick: copy }, "copy");
  return el("div", { class: "command" }, shown, button);
}
const pairs = (facts) => el("dl", {}, facts.filter(([, value]) => value !== null && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
const recordLink = (cell) => el("a", { href: `#record/${encodeURIComponent(cell)}` }, cell);

function routeOf(name) {
  const [row, head, ...rest] = name.split(".");
  if (row === "routes") return head;
  if (!model[row]) return "";
  if (head === "routes") return rest[0];
  if (["canonical", "accuracy", "logp"].includes(head)) return "canonical";
  if (head === "tiers") return (data.figures[`${row}.tiers.${rest[0]}.worst_route`] || [""])[0] || "";
  return ["wcr", "retain_did", "verdict"].includes(head) ? model[row].worst : "";
}

function openFigure(name) {
  const found = data.figures[name];
  if (!found) return;
  const [value, , , source] = found;
  const uses = data.sources[source];
  const by = Object.keys(PARTS).map((kind) => [kind, uses.filter((use) => use[1] === kind)]).filter(([, some]) => some.length);
  const at = routeOf(name), row = name.split(".")[0];
  const look = at && model[row] && el("button", { type: "button", onclick: () => showQuestions(row, at) }, `its questions by route ${at}, with answers`);
  open(
    name,
    el("p", {}, el("b", {}, decimal(value, 3)), shownBounds(found) ? `${shownBounds(found)}, ${data.level} % interval` : ""),
    el("p", { class: "dim" }, "All that is behind it, down to objects and prompts:"),
    command(`vlmunl trace ${data.study} ${name}`),
    look,
    by.length ? by.map(([kind, some]) => [el("h3", {}, PARTS[kind]), el("ul", {}, some.map(([i]) => el("li", {}, recordLink(data.records[i].cell), ` ${data.records[i].key ? data.records[i].key.slice(0, 12) : data.records[i].status}`)))])
      : el("p", {}, "No record: the study file and the catalogue alone say it."),
    el("p", { class: "dim" }, "run manifest ", data.manifest),
  );
}

function openRecord(cell) {
  const r = data.records.find((one) => one.cell === cell);
  if (!r) return;
  if (!r.key) { open(cell, pairs([["stage", r.stage], ["status", r.status], ["reason", r.reason]]), command(`vlmunl status ${data.study} --why`)); return; }
  const numbers = Object.keys(data.figures).filter((name) => !name.includes(".routes.") && data.sources[data.figures[name][3]].some(([i, kind]) => kind === "rows" && data.records[i] === r));
  open(
    cell,
    pairs([["status", r.status], ["reason", r.reason], ["stage", `${r.stage} (version ${r.version})`], ["seed", r.seed === null ? "" : String(r.seed)], ["run key", el("code", {}, r.key)], ["record", el("code", {}, r.record)], ["code", Object.entries(r.code).map(([n, v]) => `${n} ${v}`).join(", ")]]),
    command(`vlmunl show ${cell}`),
    el("h3", {}, "wrote"), el("ul", {}, r.outputs.map(([name, kind, address, sha, size]) => el("li", {}, `${name}: ${kind}, ${size.toLocaleString("en")} bytes`, el("br"), el("code", {}, address), el("br"), el("small", {}, `sha256 ${sha}`)))),
    el("h3", {}, "read"), el("ul", {}, r.inputs.map(([name, address, from]) => el("li", {}, `${name}: `, el("code", {}, address), from ? [" from ", recordLink(from)] : " from outside the store"))),
    el("h3", {}, "settings"), el("pre", {}, r.params.map(([name, value]) => `${name} = ${value}`).join("\n")),
    numbers.length ? el("details", {}, el("summary", {}, `${numbers.length} numbers that its rows enter`), el("p", {}, numbers.flatMap((name) => [el("button", { type: "button", class: "n", "data-f": name }, name), " "]))) : null,
  );
}

function go() {
  const [kind, ...rest] = location.hash.slice(1).split("/");
  const name = decodeURIComponent(rest.join("/"));
  if (kind === "figure") openFigure(name);
  else if (kind === "record") openRecord(name);
  else if (location.hash.startsWith("#m-")) {
    const found = $(decodeURIComponent(location.hash.slice(1)));
    if (found) { found.open = true; found.scrollIntoView(); }
  }
}
addEventListener("hashchange", go);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-f]");
  if (button) location.hash = `#figure/${encodeURIComponent(button.dataset.f)}`;
});

/* ---- filters, shared by examples and comparison */

const FILTERS = ["person", "route", "tier", "status", "seed"];
const seedsOf = (names) => [...new Set(names.flatMap((name) => model[name].seeds))].sort((a, b) => a - b);
const chosen = () => Object.fromEntries([...FILTERS.map((f) => [f, $(`f-${f}`).value]), ["search", $("f-search").value.trim().toLowerCase()]]);

function fits(f, one) {
  return (!f.person || one.person === f.person) && (!f.route || one.route === f.route)
    && (!f.tier || (route[one.route] || {}).tier === f.tier) && (!f.seed || String(one.seed) === f.seed)
    && (!f.status || one.status === f.status)
    && (!f.search || one.words().some((text) => text && text.toLowerCase().includes(f.search)));
}
function filtersChanged() {
  const active = Object.values(chosen()).filter(Boolean).length;
  $("f-count").textContent = active ? `${active} set` : "";
  for (const node of document.querySelectorAll(".method[open]")) drawExamples(node);
  compare();
}
function later(action, wait = 150) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(action, wait); };
}

/* ---- methods with examples */

/* the method whose worst route brings back most beyond what the usual question shows */
function telling(some) {
  const gap = (m) => (data.figures[`${m.name}.wcr.gap`] || [null])[0] ?? -Infinity;
  return some.filter((m) => m.look === "bad").sort((a, b) => gap(b) - gap(a)).concat(some.filter((m) => m.kind === "method"))[0];
}

function drawMethods() {
  const methods = data.models.filter((m) => m.kind === "method");
  $("methods").append(...methods.map((m) => {
    const worst = m.worst ? [" worst route ", el("b", {}, m.worst), " ", figure(`${m.name}.wcr`)] : [];
    const badge = document.querySelector(`.headline tr.${m.look} .badge`);
    const node = el("details", { class: "method", id: `m-${m.name}` },
      el("summary", {}, el("b", {}, m.label), badge ? el("span", { class: badge.className }, `${badge.firstElementChild.textContent} ${m.verdict}`) : m.verdict, worst),
      el("div", { class: "inside" }));
    node.addEventListener("toggle", () => { if (node.open) drawExamples(node); });
    return node;
  }));
  const first = telling(methods);
  if (first) $(`m-${first.name}`).open = true;
}

function drawExamples(node) {
  const m = model[node.id.slice(2)], shown = data.examples[m.name];
  const inside = node.querySelector(".inside");
  const names = Object.keys(data.figures).filter((name) => name.startsWith(`${m.name}.`) && !name.startsWith(`${m.name}.routes.`) && data.figures[name][0] !== null);
  const all = el("details", {}, el("summary", { class: "dim" }, `${names.length} figures of ${m.label}`), el("ul", { class: "figures" }, names.map((name) => el("li", {}, `${name.slice(m.name.length + 1)} `, figure(name)))));
  if (!shown || !shown.items.length) { inside.replaceChildren(el("p", {}, "No answers to show: nothing of it counts yet."), all); return; }
  const f = chosen();
  const some = shown.items.filter((e) => fits(f, { ...e, status: e.said[1][0], words: () => [e.prompt, e.expected, e.person, data.people[e.person], e.fact, e.route, ...e.said.map((s) => s && s[1])] }));
  inside.replaceChildren(
    el("p", { class: "dim" }, shown.rule, some.length < shown.items.length ? ` ${some.length} of them fit the filters.` : ""),
    el("div", { class: "cards" }, some.map((e) => card(m, e))), all);
}

function card(m, e) {
  const picture = e.picture >= 0 ? el("img", { src: data.pictures[e.picture], alt: `the picture that was sent: ${personName(e.person)}, route ${e.route}` })
    : el("div", { class: "none" }, e.sent ? "the picture cannot be made again as it was sent" : "no picture was sent");
  const who = ["before (imprint)", "after unlearning", "never knew (gold)"];
  return el("article", { class: "card", "data-person": e.person },
    el("p", { class: "dim" }, `${personName(e.person)} · ${e.fact} · ${e.route}${e.variant ? ` #${e.variant}` : ""} · seed ${e.seed} · ${e.why === "largest" ? "largest difference" : "drawn at random"}`),
    el("div", { class: "asked" }, picture, el("pre", { tabindex: "0" }, e.prompt || "(its text cannot be made again with this version)")),
    e.expected ? el("p", { class: "expected" }, "expected: ", el("b", {}, e.expected)) : null,
    el("dl", { class: "said" }, e.said.map((s, i) => el("div", { class: s ? s[0] : "" }, el("dt", {}, who[i]),
      s ? el("dd", {}, el("span", { class: "text" }, s[1] || "(nothing)"), el("br"), el("span", { class: "status" }, `${s[0]} · score ${decimal(s[3])} · probability ${percent(s[2])}`), el("br"), el("a", { class: "status", href: `#record/${encodeURIComponent(s[4])}` }, "record")) : el("dd", {}, "–")))),
    el("p", { class: "status" }, `prompt ${e.digests[0]}${e.digests[1] ? `, picture ${e.digests[1]}` : ""}`));
}

/* ---- comparison */

let limit = PAGE, turn = 0;
const HEADLINE = ["canonical", "wcr", "wcr.lower", "wcr.upper", "wcr_held_out", "utility"];

function numbersOf(a, b) {
  const line = (name) => {
    const [x, y] = [a, b].map((m) => (data.figures[`${m}.${name}`] || [null])[0]);
    const by = typeof x === "number" && typeof y === "number" ? decimal(x - y) : "–";
    return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, figure(`${a}.${name}`)), el("td", {}, figure(`${b}.${name}`)), el("td", {}, by));
  };
  const head = ["", model[a].label, model[b].label, "A − B"].map((text) => el("th", { scope: "col" }, text));
  return el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, HEADLINE.map(line)));
}

async function compare() {
  const mine = ++turn, [a, b] = [$("c-a").value, $("c-b").value];
  if (!a || !b) { $("c-said").textContent = "There are no answers to compare yet."; return; }
  const f = chosen(), show = $("c-show").value, only = $("c-counts").checked;
  const seeds = model[a].seeds.filter((s) => model[b].seeds.includes(s));
  const items = await part("items");
  const sides = await Promise.all(seeds.map((s) => Promise.all([answersOf(a, s), answersOf(b, s)])));
  if (mine !== turn) return;
  const lines = [], table = [0, 0, 0, 0];
  let judged = 0;
  seeds.forEach((seed, k) => {
    const [left, right] = sides[k];
    if (!left || !right) return;
    for (let i = 0; i < items.route.length; i++) {
      const x = answer(left, i), y = answer(right, i);
      if (!x || !y) continue;
      if (only && (items.counts[seed] || "")[i] !== "1") continue;
      if (show === "text" && x.text === y.text) continue;
      if (show === "score" && x.score === y.score) continue;
      const one = { i, seed, x, y, status: x.status, person: items.people[items.person[i]], route: items.routes[items.route[i]],
        words: () => [items.prompts[items.prompt[i]], items.answers[items.expected[i]], items.people[items.person[i]], data.people[items.people[items.person[i]]], items.facts[items.fact[i]], items.routes[items.route[i]], items.texts[x.text], items.texts[y.text]] };
      if (!fits(f, one)) continue;
      const by = x.logp === null || y.logp === null ? 0 : Math.exp(x.logp) - Math.exp(y.logp);
      one.order = 2 * Math.abs(x.score - y.score) + Math.abs(by);
      table[2 * Number(x.score >= 0.5) + Number(y.score >= 0.5)] += 1;
      judged += 1;
      lines.push(one);
    }
  });
  lines.sort((p, q) => q.order - p.order || p.i - q.i || p.seed - q.seed);
  $("c-numbers").replaceChildren(numbersOf(a, b));
  const drawn = items.route.length < data.asked ? ` (${items.route.length} of ${data.asked} questions, drawn at random)` : "";
  $("c-said").textContent = `${judged.toLocaleString("en")} questions${drawn}: both right ${table[3]}, only A ${table[2]}, only B ${table[1]}, neither ${table[0]}.`;
  const head = el("div", { class: "pair top" }, el("p", { class: "what" }, "question"), el("p", {}, `A: ${model[a].label}`), el("p", {}, `B: ${model[b].label}`));
  $("c-items").replaceChildren(head, ...lines.slice(0, limit).map((one) => pairLine(items, one, a, b)));
  $("c-more").hidden = lines.length <= limit;
  $("c-more").textContent = `show more (${Math.min(limit, lines.length)} of ${lines.length})`;
}

function pairLine(items, one, a, b) {
  const { i, seed, x, y } = one;
  const side = (s) => el("div", { class: `side ${s.status}` }, el("p", { class: "text" }, items.texts[s.text] || "(nothing)"), el("p", { class: "status" }, `${s.status} · score ${decimal(s.score)} · p ${percent(s.logp)}`));
  const counts = (items.counts[seed] || "")[i] === "1" ? "" : " · does not count";
  const more = el("details", {}, el("summary", { class: "dim" }, "question and records"));
  more.addEventListener("toggle", () => {
    if (more.childElementCount > 1) return;
    const cells = [a, b].flatMap((m) => data.cells[`${m}/${seed}`] || []);
    more.append(el("pre", {}, items.prompts[items.prompt[i]] || "(its text cannot be made again with this version)"),
      el("p", { class: "status" }, `prompt ${items.digest[i]}; records: `, cells.flatMap((cell) => [recordLink(cell), " "])));
  });
  return el("div", { class: "pair", "data-person": one.person, "data-route": one.route },
    el("div", { class: "what" }, el("p", {}, personName(one.person), " · ", items.facts[items.fact[i]], items.expected[i] >= 0 ? [": ", el("b", {}, items.answers[items.expected[i]])] : ""),
      el("p", { class: "head" }, `${one.route}${items.variant[i] ? ` #${items.variant[i]}` : ""} · seed ${seed}${counts}`)),
    side(x), side(y), more);
}

function showQuestions(row, at) {
  dialog.close();
  for (const f of [...FILTERS.map((name) => `f-${name}`), "f-search"]) $(f).value = "";
  $("f-route").value = at;
  $("c-a").value = row;
  $("c-b").value = [...$("c-b").options].some((o) => o.value === "gold") && row !== "gold" ? "gold" : $("c-b").value;
  limit = PAGE;
  filtersChanged();
  $("compare").scrollIntoView();
}

/* ---- records */

let recordLimit = PAGE;
function drawRecords() {
  const [stage, status, text] = [$("r-stage").value, $("r-status").value, $("r-search").value.trim().toLowerCase()];
  const some = data.records.filter((r) => (!stage || r.stage === stage) && (!status || r.status === status)
    && (!text || [r.cell, r.key, r.record, ...(r.outputs || []).flatMap((o) => [o[2], o[3]])].some((part) => part && part.includes(text))));
  $("r-said").textContent = `${some.length} of ${data.records.length} cells`;
  const head = ["cell", "status", "run key", "wrote"].map((name) => el("th", { scope: "col" }, name));
  $("r-items").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, some.slice(0, recordLimit).map((r) =>
    el("tr", {}, el("th", { scope: "row" }, recordLink(r.cell)), el("td", {}, r.status, r.reason ? el("span", { class: "dim" }, ` ${r.reason}`) : ""), el("td", {}, el("code", {}, (r.key || "–").slice(0, 12))),
      el("td", {}, (r.outputs || []).map((o) => o[0]).join(", ")))))));
  $("r-more").hidden = some.length <= recordLimit;
}

/* ---- start */

function start() {
  const examples = Object.values(data.examples).flatMap((e) => e.items);
  const people = [...new Set([...examples.map((e) => e.person), ...Object.keys(data.people)])].sort();
  options($("f-route"), data.routes.map((r) => r.id));
  options($("f-tier"), [...new Set(data.routes.map((r) => r.tier))].sort());
  options($("f-status"), Object.values(NAMES).slice(0, 4));
  options($("f-seed"), seedsOf(Object.keys(model)).map(String));
  part("items").then((items) => options($("f-person"), [...(items ? items.people : people)].sort(), personName)).then(compare);
  const there = data.models.filter((m) => m.seeds.length && m.seeds.some((s) => `${m.name}/${s}` in data.parts));
  for (const id of ["c-a", "c-b"]) options($(id), there.map((m) => m.name), (name) => model[name].label);
  const first = telling(there);
  if (first) $("c-a").value = first.name;
  if (there.some((m) => m.name === "gold")) $("c-b").value = "gold";
  for (const f of FILTERS) $(`f-${f}`).addEventListener("change", () => { limit = PAGE; filtersChanged(); });
  $("f-search").addEventListener("input", later(() => { limit = PAGE; filtersChanged(); }));
  $("f-clear").addEventListener("click", () => { for (const f of [...FILTERS, "search"]) $(`f-${f}`).value = ""; filtersChanged(); });
  for (const id of ["c-a", "c-b", "c-show", "c-counts"]) $(id).addEventListener("change", () => { limit = PAGE; compare(); });
  $("c-swap").addEventListener("click", () => { [$("c-a").value, $("c-b").value] = [$("c-b").value, $("c-a").value]; compare(); });
  $("c-more").addEventListener("click", () => { limit += 5 * PAGE; compare(); });
  options($("r-stage"), [...new Set(data.records.map((r) => r.stage))]);
  options($("r-status"), [...new Set(data.records.map((r) => r.status))]);
  for (const id of ["r-stage", "r-status"]) $(id).addEventListener("change", () => { recordLimit = PAGE; drawRecords(); });
  $("r-search").addEventListener("input", later(drawRecords));
  $("r-more").addEventListener("click", () => { recordLimit += 5 * PAGE; drawRecords(); });
  drawMethods();
  drawRecords();
  go();
}
start();
