/* ---- charts: drawn by plotly, which is opened once the page stands; each has a table that says the same */

const BAD = "#d55e00", BLUE = "#0072b2", SKY = "#56b4e9", GREEN = "#009e73", PINK = "#cc79a7", GREY = "#8a8f98";
const SHAPES = { bad: "diamond", good: "circle", open: "square-open", guard: "x", wait: "circle-open", role: "cross" };
const COLOURS = { bad: BAD, good: BLUE, open: BLUE, guard: GREY, wait: GREY, role: GREY };
const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const value = (name) => (data.figures[name] || [null, null, null]).slice(0, 3);
const methods = data.models.filter((m) => m.kind === "method");
const measured = (names, field) => names.filter((m) => typeof value(`${m.name}.${field}`)[0] === "number");
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
/* plotly reads labels as a little HTML: what is special in it is shown as it is */
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text) => plain(cut(text, 22));

function layout(more) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--dim"), linecolor: css("--line"), automargin: true, fixedrange: true };
  const { xaxis, yaxis, ...rest } = more;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "system-ui, sans-serif", size: 12, color: css("--ink") },
    margin: { l: 10, r: 16, t: 34, b: 10 }, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", xanchor: "left" },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") } }, dragmode: false,
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}
const bars = (names, field) => {
  const all = names.map((m) => value(`${m.name}.${field}`));
  return { type: "data", symmetric: false, thickness: 1.4, width: 3, array: all.map(([e, , h]) => (h === null ? 0 : h - e)), arrayminus: all.map(([e, l]) => (l === null ? 0 : e - l)) };
};
function tableOf(head, lines) {
  return el("table", {}, el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, lines.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), rest.map((cell) => el("td", {}, cell))))));
}

const CHARTS = {
  dumbbell: {
    table: () => tableOf(["method", "canonical", "worst route (cross-fit)", "route", "verdict"],
      measured(methods, "wcr").map((m) => [m.label, figure(`${m.name}.canonical`), figure(`${m.name}.wcr`), m.worst, m.verdict])),
    draw: () => {
      const some = measured(methods, "wcr").sort((a, b) => value(`${a.name}.wcr`)[0] - value(`${b.name}.wcr`)[0]);
      const y = some.map((m) => short(m.label));
      const links = some.flatMap((m, i) => [[value(`${m.name}.canonical`)[0], y[i]], [value(`${m.name}.wcr`)[0], y[i]], [null, null]]);
      const points = (field, name, marker) => ({
        type: "scatter", mode: "markers", name, x: some.map((m) => value(`${m.name}.${field}`)[0]), y, marker, error_x: { ...bars(some, field), color: marker.line ? marker.line.color : marker.color },
        customdata: some.map((m) => `${m.name}.${field}`), hovertemplate: "%{y}: %{x:.2f}<extra>" + name + "</extra>",
      });
      return {
        height: 90 + 27 * some.length,
        traces: [{ type: "scatter", mode: "lines", x: links.map((p) => p[0]), y: links.map((p) => p[1]), line: { color: css("--dim"), width: 2 }, hoverinfo: "skip", showlegend: false },
          points("canonical", "canonical", { symbol: "circle-open", size: 10, color: SKY, line: { color: SKY, width: 2.5 } }),
          points("wcr", "worst route (cross-fit)", { symbol: "diamond", size: 11, color: BAD })],
        layout: { xaxis: { title: { text: "recovery" }, zeroline: true }, yaxis: { type: "category" } },
      };
    },
  },
  heat: {
    table: () => {
      const live = data.routes.filter((r) => r.live), some = data.models.filter((m) => m.kind === "method" || m.name === "placebo");
      return tableOf(["route", ...some.map((m) => m.label)], live.map((r) => [`${r.id} (${r.tier}, ${r.family})`, ...some.map((m) => figure(`${m.name}.routes.${r.id}`))]));
    },
    draw: () => {
      const live = data.routes.filter((r) => r.live), some = [...measured(methods, "wcr"), ...data.models.filter((m) => m.name === "placebo" && m.seeds.length)];
      const z = live.map((r) => some.map((m) => value(`${m.name}.routes.${r.id}`)[0]));
      return {
        height: 150 + 17 * live.length, least: 190 + 24 * some.length,
        traces: [{ type: "heatmap", z, x: some.map((m) => short(m.label)), y: live.map((r) => short(r.id)), colorscale: "Cividis", zmin: 0, zmax: 1, xgap: 1, ygap: 1,
          customdata: live.map((r) => some.map((m) => `${m.name}.routes.${r.id}`)), hoverongaps: false,
          hovertemplate: "%{x}, %{y}: %{z:.2f}<extra></extra>", colorbar: { title: { text: "recovery", side: "right" }, thickness: 12, outlinewidth: 0 } }],
        layout: { xaxis: { type: "category", tickangle: -45, showgrid: false, side: "top" }, yaxis: { type: "category", autorange: "reversed", showgrid: false, tickfont: { size: 11 } }, margin: { l: 10, r: 10, t: 10, b: 10 } },
      };
    },
  },
  utility: {
    table: () => tableOf(["model", "utility", "WCR (cross-fit)", "verdict"], data.models.filter((m) => m.seeds.length).map((m) => [m.label, figure(`${m.name}.utility`), figure(`${m.name}.wcr`), m.verdict])),
    draw: () => {
      const some = measured(measured(data.models, "wcr"), "utility").filter((m) => m.kind === "method" || m.name === "placebo" || m.name === "imprint");
      const looks = [...new Set(some.map((m) => m.look))], floor = data.thresholds.utility_floor;
      const at = some.map((m) => [value(`${m.name}.utility`)[0], value(`${m.name}.wcr`)[0]]);
      const left = Math.min(...at.map((p) => p[0])), right = Math.max(1, ...at.map((p) => p[0]));
      /* a label goes above its point where another point would have its own in the same place */
      const place = (m) => {
        const i = some.indexOf(m);
        return at.some((p, k) => k < i && Math.abs(p[0] - at[i][0]) < 0.06 * (right - left) && Math.abs(p[1] - at[i][1]) < 0.06) ? "top left" : "bottom left";
      };
      const words = { bad: "recovers", good: "robust", open: "no recovery shown", guard: "not assessable", role: "reference" };
      return {
        height: 430,
        traces: looks.map((look) => {
          const here = some.filter((m) => m.look === look);
          return { type: "scatter", mode: some.length > 16 ? "markers" : "markers+text", name: words[look] || look, x: here.map((m) => value(`${m.name}.utility`)[0]), y: here.map((m) => value(`${m.name}.wcr`)[0]),
            text: here.map((m) => short(m.label)), textposition: here.map(place), textfont: { size: 11 }, cliponaxis: false, marker: { symbol: SHAPES[look], color: COLOURS[look], size: 11, line: { width: 2, color: COLOURS[look] } },
            error_y: { ...bars(here, "wcr"), color: COLOURS[look] }, customdata: here.map((m) => `${m.name}.wcr`), hovertemplate: "%{text}: utility %{x:.2f}, WCR %{y:.2f}<extra></extra>" };
        }),
        layout: { xaxis: { title: { text: "utility" }, range: [left - 0.14 * (right - left) - 0.02, right + 0.06 * (right - left) + 0.01] }, yaxis: { title: { text: "worst-case recovery" } },
          shapes: typeof floor === "number" ? [{ type: "line", x0: floor, x1: floor, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", color: css("--dim") } }] : [],
          annotations: typeof floor === "number" ? [{ x: floor, yref: "paper", y: 1, text: "utility floor", showarrow: false, xanchor: "left", yanchor: "top", font: { size: 11, color: css("--dim") } }] : [] },
      };
    },
  },
  gate: {
    names: () => Object.keys(data.figures).filter((name) => name.startsWith("seeds.") && value(name)[0] !== null),
    table: () => tableOf(["seed and format", "headroom"], CHARTS.gate.names().map((name) => [name.split(".").filter((_, i) => i === 1 || i === 3).join(" "), figure(name)])),
    draw: () => {
      const names = CHARTS.gate.names(), y = names.map((name) => `seed ${name.split(".")[1]}, ${name.split(".")[3]}`);
      const floor = data.gate.headroom, passed = names.map((name) => (value(name)[1] ?? value(name)[0]) > floor);
      return {
        height: 100 + 24 * names.length,
        traces: [true, false].map((good) => {
          const at = names.map((_, i) => i).filter((i) => passed[i] === good);
          return { type: "scatter", mode: "markers", name: good ? "lower bound above the threshold" : "below: it does not count", x: at.map((i) => value(names[i])[0]), y: at.map((i) => y[i]),
            marker: { symbol: good ? "circle" : "x", size: 10, color: good ? BLUE : BAD }, customdata: at.map((i) => names[i]), hovertemplate: "%{y}: %{x:.2f}<extra></extra>",
            error_x: { type: "data", symmetric: false, thickness: 1.4, width: 4, array: at.map((i) => (value(names[i])[2] ?? value(names[i])[0]) - value(names[i])[0]), arrayminus: at.map((i) => value(names[i])[0] - (value(names[i])[1] ?? value(names[i])[0])) } };
        }).filter((trace) => trace.x.length),
        layout: { xaxis: { title: { text: "accuracy of imprint minus gold" }, range: [Math.min(0, ...names.map((n) => (value(n)[1] ?? 0) - 0.03)), 1.05] }, yaxis: { type: "category", categoryorder: "array", categoryarray: [...y].reverse() },
          shapes: [{ type: "line", x0: floor, x1: floor, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", color: css("--dim") } }] },
      };
    },
  },
  curves: {
    controls: (redraw) => {
      const names = [...new Set(data.curves.flatMap((c) => Object.keys(c.y)))].sort();
      const which = el("select", { id: "k-figure", onchange: redraw }), seed = el("select", { id: "k-seed", onchange: redraw });
      options(which, names);
      which.value = names.includes("forget_nll") ? "forget_nll" : names[0] || "";
      options(seed, [...new Set(data.curves.map((c) => c.seed))].sort((a, b) => a - b).map(String));
      return el("div", { class: "row" }, el("label", {}, "figure", which), el("label", {}, "seed", seed));
    },
    some: () => data.curves.filter((c) => String(c.seed) === $("k-seed").value && c.y[$("k-figure").value]),
    table: () => tableOf(["training", "steps", "first", "last", "ended", "record"], CHARTS.curves.some().map((c) => {
      const y = c.y[$("k-figure").value];
      return [c.row, String(c.steps), decimal(y[0], 3), decimal(y[y.length - 1], 3), c.ended || "", recordLink(c.cell)];
    })),
    draw: () => {
      const some = CHARTS.curves.some(), name = $("k-figure").value;
      const colours = [BLUE, BAD, GREEN, PINK, "#e69f00", SKY, GREY], dashes = ["solid", "dash", "dot", "dashdot", "longdash"];
      return {
        height: 420,
        traces: some.map((c, i) => ({ type: "scatter", mode: "lines", name: short((model[c.row] || { label: c.row }).label), x: c.at.map((s) => s + 1), y: c.y[name], customdata: c.at.map(() => c.cell),
          line: { color: colours[i % colours.length], dash: dashes[Math.floor(i / colours.length) % dashes.length], width: 2 }, hovertemplate: "step %{x}: %{y:.3g}<extra>%{fullData.name}</extra>" })),
        layout: { xaxis: { title: { text: "step" } }, yaxis: { title: { text: plain(name) } }, legend: { orientation: "h", x: 0, y: -0.18, yanchor: "top" }, margin: { l: 10, r: 16, t: 10, b: 10 } },
      };
    },
  },
};

function drawChart(name) {
  const box = $(`chart-${name}`), chart = CHARTS[name], plot = box.querySelector(".plot");
  const { traces, height, least, layout: more } = chart.draw();
  if (!traces.some((trace) => (trace.x || []).length)) { plot.replaceChildren(el("p", { class: "wait" }, "Nothing was measured yet.")); return; }
  plot.replaceChildren();
  plot.style.minWidth = least ? `${least}px` : "";
  const width = Math.max(plot.clientWidth, least || 0);
  Plotly.react(plot, traces, layout({ ...more, height, width }), { displaylogo: false, displayModeBar: false, responsive: false });
  plot.removeAllListeners?.("plotly_click");
  plot.on("plotly_click", (event) => {
    const target = event.points[0].customdata;
    if (typeof target === "string") location.hash = data.figures[target] ? `#figure/${encodeURIComponent(target)}` : `#record/${encodeURIComponent(target)}`;
  });
}
function drawCharts() {
  for (const name of Object.keys(CHARTS)) drawChart(name);
  document.body.dataset.charts = "drawn";
}
function drawTable(name) {
  const details = $(`chart-${name}`).querySelector("details");
  if (details.open) details.querySelector(".scroll").replaceChildren(CHARTS[name].table());
}
async function startCharts() {
  for (const [name, chart] of Object.entries(CHARTS)) {
    const box = $(`chart-${name}`);
    if (chart.controls) box.querySelector(".controls").append(chart.controls(() => { drawChart(name); drawTable(name); }));
    box.querySelector("details").addEventListener("toggle", () => drawTable(name));
    box.querySelector(".plot").append(el("p", { class: "wait" }, "drawing …"));
  }
  document.head.append(el("script", {}, await inflate(data.library)));
  drawCharts();
  dark.addEventListener("change", drawCharts);
  let width = innerWidth;
  addEventListener("resize", later(() => { if (innerWidth !== width) { width = innerWidth; drawCharts(); } }, 200));
}
startCharts();
