// Runs in the browser. What came over the wire is only ever text here: `textContent`, never markup.

/** The most requests that are shown, and the most characters of them, as in the server of this page. */
const MAX_ROWS = 1000;
const MAX_KEPT = 32 * 1024 * 1024;

const at = (id) => document.getElementById(id);
const [rows, content, title, details, state, search] = [
  at("rows"),
  at("content"),
  at("details-title"),
  at("details"),
  at("state"),
  at("search"),
];
/** The newest is the last. */
let entries = [];
const waiting = [];
let chosen = null;
let isPaused = false;
let lastId = 0;
let missed = 0;
/** When the tap began, in milliseconds since 1970. */
let began = performance.timeOrigin;
let isDrawn = true;

/** An element with a class, and with texts and elements in it. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

const bytesText = (bytes) =>
  bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
const timeText = (time) => (time === null ? "–" : `${time < 10 ? time.toFixed(1) : time.toFixed(0)} ms`);

const source = new EventSource("events");
source.onopen = () => tell("live");
source.onerror = () => tell("the connection to fetchcgi tap is lost");
source.onmessage = ({ data, lastEventId }) => {
  const id = Number(lastEventId);
  if (lastId > 0 && id > lastId + 1) missed += id - lastId - 1;
  lastId = id;
  const report = JSON.parse(data);
  const entry = { report, text: data.toLowerCase(), row: rowOf(report), wanted: null };
  (isPaused ? waiting : entries).push(entry);
  // A page that is paused for long, or behind others and so not drawn, must not grow.
  if (isPaused) missed += removeOld(waiting).length;
  else removeOldRows();
  draw();
};
source.addEventListener("began", ({ data }) => {
  began = Number(data);
});
source.addEventListener("running", ({ data }) => {
  const items = JSON.parse(data).map(({ number, title: text, milliseconds }) =>
    element("li", "", `#${number} ${text} has no end after ${(milliseconds / 1000).toFixed(0)} s`),
  );
  at("running").replaceChildren(...items);
});
source.addEventListener("over", () => {
  source.close();
  tell("fetchcgi tap has ended");
});

let stateText = "";
function tell(text) {
  stateText = text;
  showState();
}

function showState() {
  const shown = entries.filter(({ row }) => !row.hidden).length;
  const parts = [stateText, `${shown} of ${entries.length} shown`];
  if (waiting.length > 0) parts.push(`${waiting.length} wait`);
  if (missed > 0) parts.push(`${missed} were too many`);
  state.textContent = parts.join(" · ");
}

/** Takes the oldest out of a list until it has few enough, and returns them. */
function removeOld(list) {
  let length = list.reduce((sum, { text }) => sum + text.length, 0);
  let count = 0;
  while (list.length - count > MAX_ROWS || (length > MAX_KEPT && list.length - count > 1))
    length -= list[count++].text.length;
  return list.splice(0, count);
}

function removeOldRows() {
  for (const { row } of removeOld(entries)) row.remove();
}

/** Draws once for all events of a moment. */
function draw() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    // As in JSON, where a quote or a backslash has one before it.
    const text = JSON.stringify(search.value).slice(1, -1).toLowerCase();
    const isOddOnly = at("odd").checked;
    const wanted = `${isOddOnly} ${text}`;
    for (const entry of entries) {
      // All of it is searched once, and not for each request that comes.
      if (entry.wanted !== wanted) entry.row.hidden = !isWanted(entry, text, isOddOnly);
      entry.wanted = wanted;
      if (!entry.row.isConnected) rows.prepend(entry.row);
    }
    at("empty").hidden = entries.length > 0;
    showState();
  });
}

function isWanted({ report, text }, wanted, isOddOnly) {
  if (isOddOnly && oddOf(report).length === 0 && report.outcome === "complete") return false;
  return text.includes(wanted);
}

const oddOf = (report) => report.oddities ?? (report.oddity ? [report.oddity] : []);

function rowOf(report) {
  const isExchange = report.event === "exchange";
  const text = isExchange
    ? `${report.method ?? "?"} ${report.uri ?? "?"}`
    : `connection ${report.connection}: ${report.text ?? report.event}`;
  const button = element("button", "", text);
  button.type = "button";
  const status = isExchange ? (report.outcome === "complete" ? String(report.status ?? "–") : report.outcome) : "";
  const rules = oddOf(report);
  const row = element(
    "tr",
    "",
    element("td", "number", isExchange ? String(report.number) : ""),
    element("td", statusClass(report), status),
    element("td", "", button),
    element("td", "number", isExchange ? bytesText(report.stdin.bytes + report.data.bytes) : ""),
    element("td", "number", isExchange ? bytesText(report.body.bytes) : ""),
    element("td", "number", isExchange ? timeText(report.times.end) : timeText(report.time ?? null)),
    element("td", rules.some(({ isAdvice }) => !isAdvice) ? "bad" : "warn", rules.map(({ rule }) => rule).join(" ")),
  );
  button.addEventListener("click", () => choose(row, report));
  return row;
}

function statusClass({ event, outcome, status }) {
  if (event !== "exchange" || outcome !== "complete" || status === null || status >= 500) return "bad";
  return status < 400 ? "good" : "warn";
}

function choose(row, report) {
  chosen?.classList.remove("chosen");
  chosen = row;
  row.classList.add("chosen");
  title.textContent = row.querySelector("button").textContent;
  content.replaceChildren(...(report.event === "exchange" ? exchangeDetails(report) : [listOf(oddOf(report))]));
  details.focus();
}

function* exchangeDetails(report) {
  const { times } = report;
  yield pairs([
    ["Outcome", report.reason === null ? report.outcome : `${report.outcome}: ${report.reason}`],
    ["Status", String(report.status ?? "none")],
    [
      "END_REQUEST",
      report.protocolStatus === null ? "none" : `${report.protocolStatus}, appStatus ${report.appStatus}`,
    ],
    [
      "Connection",
      `${report.connection}, id ${report.requestId}${report.keepConn ? ", kept" : ""}, ${report.together} at once`,
    ],
    ["Role", report.role ?? "unknown"],
    ["PARAMS complete", timeText(times.params)],
    ["STDIN complete", timeText(times.stdin)],
    ["First byte", timeText(times.firstByte)],
    ["End", timeText(times.end)],
  ]);
  if (report.oddities.length > 0) yield* section("Odd", listOf(report.oddities));
  if (report.stderr.bytes > 0) yield* section("STDERR", streamOf(report.stderr));
  yield* section("Records", recordsOf(report));
  if (report.params !== null) yield* section("Variables", pairs(report.params));
  if (report.stdin.bytes > 0) yield* section("STDIN", streamOf(report.stdin));
  if (report.data.bytes > 0) yield* section("DATA", streamOf(report.data));
  if (report.header !== null) yield* section("Header", element("pre", "", report.header.join("\n")));
  if (report.body.bytes > 0) yield* section("Body", streamOf(report.body));
}

function section(name, ...children) {
  return [element("h3", "", name), ...children];
}

function pairs(list) {
  const body = element("tbody", "");
  for (const [name, value] of list) {
    const head = element("th", "name", name);
    head.scope = "row";
    body.append(element("tr", "", head, element("td", "", value)));
  }
  return element("table", "", body);
}

function listOf(oddities) {
  const items = oddities.map(({ rule, title: text, reason, isAdvice }) =>
    element("li", isAdvice ? "warn" : "bad", `${rule}${isAdvice ? " (advice)" : ""} ${text}: ${reason}`),
  );
  return element("ul", "odd", ...items);
}

function streamOf({ bytes, text, hex }) {
  const shown = text ?? hexDump(hex ?? "");
  return element("pre", "", shown === "" ? `${bytesText(bytes)}, not kept` : shown);
}

function hexDump(hex) {
  const lines = [];
  for (let start = 0; start < hex.length; start += 32) {
    const bytes = hex.slice(start, start + 32).match(/../g) ?? [];
    const text = bytes
      .map((byte) => Number.parseInt(byte, 16))
      .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${(start / 2).toString(16).padStart(8, "0")}  ${bytes.join(" ").padEnd(47)}  ${text.join("")}`);
  }
  return lines.join("\n");
}

function recordsOf({ records, recordsLeftOut, times }) {
  const body = element("tbody", "");
  const whole = Math.max(times.end ?? 0, ...records.map(({ time }) => time), 0.001);
  for (const [index, { time, from, type, contentLength, paddingLength, about }] of records.entries()) {
    if (recordsLeftOut > 0 && index === records.length / 2) {
      const gap = element("td", "muted", `${recordsLeftOut} more records`);
      gap.colSpan = 5;
      body.append(element("tr", "", gap));
    }
    const isRequest = from === "web server";
    const mark = element("span", "");
    mark.style.marginLeft = `${Math.min(98, (time / whole) * 98)}%`;
    body.append(
      element(
        "tr",
        isRequest ? "request" : "response",
        element("td", "number", `${time.toFixed(3)} ms`),
        element("td", "type", `${isRequest ? "→" : "←"} ${type}`),
        element("td", "number", `${contentLength}+${paddingLength}`),
        element("td", "", about),
        element("td", "bar", mark),
      ),
    );
  }
  const heads = ["Time", "Record", "Bytes", "Says", "When"].map((name) => {
    const head = element("th", "", name);
    head.scope = "col";
    return head;
  });
  return element("table", "", element("thead", "", element("tr", "", ...heads)), body);
}

search.addEventListener("input", draw);
at("odd").addEventListener("change", draw);
at("pause").addEventListener("click", ({ currentTarget }) => {
  isPaused = !isPaused;
  currentTarget.setAttribute("aria-pressed", String(isPaused));
  if (!isPaused) entries.push(...waiting.splice(0));
  removeOldRows();
  draw();
});
at("clear").addEventListener("click", () => {
  for (const { row } of entries) row.remove();
  entries = [];
  draw();
});
at("har").addEventListener("click", () => {
  const har = { log: { version: "1.2", creator: { name: "fetchcgi tap", version: "1" }, entries: harEntries() } };
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(har, null, 1)], { type: "application/json" }));
  link.download = "exchanges.har";
  link.click();
  URL.revokeObjectURL(link.href);
});

/** HTTP Archive 1.2, as browsers and proxies read it. */
function harEntries() {
  return entries
    .filter(({ report, row }) => report.event === "exchange" && !row.hidden)
    .map(({ report }) => {
      const param = (name) => report.params?.find(([key]) => key === name)?.[1] ?? "";
      const fields = (report.header ?? []).map((line) => {
        const colon = line.indexOf(":");
        return { name: line.slice(0, colon), value: line.slice(colon + 1).trim() };
      });
      const headers = (report.params ?? [])
        .filter(([name]) => name.startsWith("HTTP_"))
        .map(([name, value]) => ({ name: name.slice(5).replaceAll("_", "-").toLowerCase(), value }));
      const type = fields.find(({ name }) => name.toLowerCase() === "content-type")?.value ?? "";
      const { firstByte, end } = report.times;
      return {
        startedDateTime: new Date(began + report.began).toISOString(),
        time: end ?? 0,
        request: {
          method: report.method ?? "",
          url: `http://${param("HTTP_HOST") || param("SERVER_NAME") || "localhost"}${report.uri ?? "/"}`,
          httpVersion: param("SERVER_PROTOCOL"),
          headers,
          queryString: [...new URLSearchParams(param("QUERY_STRING"))].map(([name, value]) => ({ name, value })),
          cookies: [],
          headersSize: -1,
          bodySize: report.stdin.bytes,
          ...(report.stdin.text !== undefined && {
            postData: { mimeType: param("CONTENT_TYPE"), text: report.stdin.text },
          }),
        },
        response: {
          status: report.status ?? 0,
          statusText: "",
          httpVersion: "",
          headers: fields,
          cookies: [],
          content: {
            size: report.body.bytes,
            mimeType: type,
            ...(report.body.text !== undefined && { text: report.body.text }),
          },
          redirectURL: "",
          headersSize: -1,
          bodySize: report.body.bytes,
        },
        cache: {},
        timings: { send: 0, wait: firstByte ?? end ?? 0, receive: Math.max(0, (end ?? 0) - (firstByte ?? end ?? 0)) },
      };
    });
}
