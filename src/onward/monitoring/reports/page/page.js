"use strict";
/* Draws the charts of a report from the data beside it. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
  const DARK = ["#56b4e9", "#ff8c42", "#3fc99b", "#e3a0c5", "#e69f00", "#8fd3ff", "#ffffff"];
  const DASHES = [[], [8, 4], [2, 3]];
  const colour = (n) => (dark.matches ? DARK : LIGHT)[n % LIGHT.length];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faint = (hex) => hex + "33";

  const curves = data.tasks.map((task) => {
    let at = 0;
    const across = (ticks) => data.start + ticks / data.ticks;
    const shares = (whole) => whole.map((value) => value / data.scale);
    return {
      name: task.name,
      x: task.x.map((step) => across((at += step))),
      y: shares(task.y), low: shares(task.low), high: shares(task.high),
      converged: task.converged.map(([x, y]) => [across(x), y]),
      changed: task.changed.map(([x, y, rise]) => [across(x), y, rise]),
    };
  });

  /* From so many seconds between two ticks on: what stands at each, and what at the first of a year and of a day. */
  const TIMES = [
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
    [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
    [0.001, ":{ss}.{fff}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
  ];
  const told = (u, value) => (value == null ? "–" : value.toFixed(4));
  const place = (u, value) =>
    value == null ? "–" : data.timed ? new Date(value * 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC"
      : "event " + Math.round(value).toLocaleString("en");

  const options = (box, height, series, more) => {
    const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 0.5 }, ticks: { stroke: css("--line") } };
    const range = (u, low, high) => { const room = Math.max(0.02, (high - low) * 0.06); return [low - room, high + room]; };
    return {
      width: Math.max(240, box.clientWidth), height,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: data.timed }, y: { range } },
      axes: [data.timed ? { ...axis, values: TIMES } : axis, { ...axis, size: 56 }],
      cursor: { sync: { key: "learning", scales: ["x", null] }, drag: { x: true, y: false } },
      series: [{ label: data.timed ? "Time" : "Event", value: place }, ...series],
      ...more,
    };
  };

  /* A diamond where the task settled, an arrow where its level changed. */
  const marks = (curve, hue) => (u) => {
    const size = 5 * devicePixelRatio, pen = u.ctx;
    const draw = (x, y, corners, fill) => {
      const left = u.valToPos(x, "x", true), top = u.valToPos(y, "y", true);
      if (left < u.bbox.left || left > u.bbox.left + u.bbox.width) return;
      pen.beginPath();
      corners.forEach(([dx, dy], n) => pen[n ? "lineTo" : "moveTo"](left + dx * size, top + dy * size));
      pen.closePath();
      pen.fillStyle = fill; pen.strokeStyle = hue; pen.lineWidth = 1.5 * devicePixelRatio;
      pen.fill(); pen.stroke();
    };
    pen.save();
    curve.converged.forEach(([x, y]) => draw(x, y, [[0, -1], [1, 0], [0, 1], [-1, 0]], css("--paper")));
    curve.changed.forEach(([x, y, rise]) => {
      const up = rise > 0 ? -1 : 1;
      draw(x, y, [[-1, -up], [1, -up], [0, up]], hue);
    });
    pen.restore();
  };

  const overview = (box) => {
    const series = curves.map((curve, n) => ({
      label: curve.name, stroke: colour(n), dash: DASHES[Math.floor(n / LIGHT.length) % DASHES.length], width: 1.75,
      value: told, points: { show: curve.x.length === 1 }, spanGaps: true,
    }));
    /* Where another task has a point and this one has none, the last value before stands under the pointer. */
    const nearest = (u, s, at) => {
      const values = u.data[s];
      for (let n = at; n >= 0; n--) if (values[n] != null) return n;
      return at;
    };
    const made = options(box, 320, series, {});
    made.cursor.dataIdx = nearest;
    return new uPlot(made, uPlot.join(curves.map((curve) => [curve.x, curve.y])), box);
  };

  const single = (box, curve, n) => {
    const hue = colour(n), hidden = { stroke: "transparent", width: 0, points: { show: false }, value: told };
    const series = [
      { label: "Average", stroke: hue, width: 1.75, value: told, points: { show: curve.x.length === 1 } },
      { label: "Lowest", ...hidden }, { label: "Highest", ...hidden },
    ];
    const more = { bands: [{ series: [3, 2], fill: faint(hue) }], hooks: { draw: [marks(curve, hue)] } };
    return new uPlot(options(box, 200, series, more), [curve.x, curve.y, curve.low, curve.high], box);
  };

  let charts = [];
  const build = () => {
    charts.forEach(([chart]) => chart.destroy());
    charts = [];
    const box = document.getElementById("overview");
    if (!box) return;
    charts.push([overview(box), box, 320]);
    curves.forEach((curve, n) => {
      const own = document.getElementById("task-" + n);
      charts.push([single(own, curve, n), own, 200]);
    });
  };
  build();
  dark.addEventListener("change", build);
  addEventListener("resize", () => charts.forEach(([chart, box, height]) =>
    chart.setSize({ width: Math.max(240, box.clientWidth), height })));
})();
