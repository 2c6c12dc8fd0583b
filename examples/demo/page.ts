// The HTML version: one page that needs nothing else from anywhere.

import { readFileSync } from "node:fs";
import { Html, html } from "./html.ts";
import type { Exchange, SeenRecord } from "./tap.ts";
import { paramRows, type View } from "./view.ts";

// Separate files are easier to edit. They are put into the page, because requests for them would show up among the
// exchanges.
const style = new Html(readFileSync(new URL("page.css", import.meta.url), "utf8"));
const script = new Html(readFileSync(new URL("page.js", import.meta.url), "utf8"));

export function page({ request, params, exchange }: View): Html {
  const { origin, pathname, search } = new URL(request.url);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fetchcgi demo</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath fill='%232563eb' d='M1 1h4v2H1zM3 5h4v2H3z'/%3E%3C/svg%3E">
<style>${style}</style>
</head>
<body>
<header>
  <h1>This page came over FastCGI</h1>
  <p class="lead">Your browser spoke HTTP with a small front. The front passed the request on as FastCGI records, and a handler
  <code>(Request) => Response</code> wrote this page. Both ends of that wire are <b>fetchcgi</b>; below is what crossed it.</p>
</header>
<main>
${diagram}
<section aria-labelledby="try">
  <h2 id="try">Send something over the wire</h2>
  <div class="cards">
    <form id="upload" class="card">
      <h3>Upload</h3>
      <p>The handler hashes the file as it arrives and keeps none of it.</p>
      <div><input type="file" name="file" aria-label="File to upload" required> <button>Upload</button></div>
      <output></output>
    </form>
    <form id="ticks" class="card">
      <h3>Stream</h3>
      <p>One line a second until you leave. Then the connection is closed, and <code>request.signal</code> stops the handler.</p>
      <div><button>Start</button></div>
      <output></output>
    </form>
    <form id="throw" class="card">
      <h3>Failure</h3>
      <p>The handler throws. The server answers in its place, and serves on.</p>
      <div><button>Throw</button> <a href="/throw">or open it alone</a></div>
      <output></output>
    </form>
  </div>
</section>
<section aria-labelledby="records-title">
  <h2 id="records-title">Records on the wire</h2>
  <p>Decoded from the bytes of the connection by <code>RecordDecoder</code>, while they passed. Whatever you try above shows up
  here.</p>
  <div id="records" data-exchange="${exchange?.id ?? ""}">${exchange === undefined ? "" : recordsSection(exchange)}</div>
</section>
<div class="columns">
  <section aria-labelledby="request">
    <h2 id="request">The <code>Request</code></h2>
    <p><code><b>${request.method}</b> ${pathname}${search}</code></p>
    ${table("Header", "Value", [...request.headers])}
  </section>
  <section aria-labelledby="params">
    <h2 id="params">The CGI variables</h2>
    <p>The same request as the front sent it: <code>context.params</code>.</p>
    ${table("Variable", "Value", paramRows(params))}
  </section>
</div>
</main>
<footer>
  <p>In a terminal: <code>curl ${origin}/</code> shows the same as plain text. The code is in
  <code>examples/demo/</code>.</p>
</footer>
<script>${script}</script>
</body>
</html>
`;
}

const diagram = html`<figure>
  <ol class="path">
    <li class="node"><b>Browser</b><span>you</span></li>
    <li class="hop"><span>HTTP</span></li>
    <li class="node"><b>HTTP front</b><span>srvx listens,</span><span><code>FastCgiHttpClient</code> calls</span></li>
    <li class="hop wire"><span>FastCGI records</span><span>Unix socket</span></li>
    <li class="node"><b>Application</b><span><code>serve({ path, fetch })</code></span></li>
    <li class="hop"><span>Request</span><span>Response</span></li>
    <li class="node"><b>Your handler</b><span>made this page</span></li>
  </ol>
  <figcaption>Here front and application share one Node.js process. With nginx, Apache, lighttpd, Caddy or HAProxy as the front, or
  php-fpm as the application, the records stay the same.</figcaption>
</figure>`;

const OUTCOMES: Readonly<Record<Exchange["state"], string>> = {
  running: "the rest is still to come",
  complete: "complete",
  cut: "cut off: the front closed the connection, because the rest is not needed",
};

/** The part of the page that its script replaces. */
export function recordsSection({ id, first, omitted, last, state }: Exchange): Html {
  const gap = html`<tr class="gap"><td colspan="6">${omitted} more records</td></tr>`;
  return html`<table class="records" data-state="${state}">
<caption><span class="exchange">Exchange ${id}</span> ${OUTCOMES[state]}</caption>
<thead><tr><th scope="col">Time</th><th scope="col">Record</th><th scope="col">Id</th><th scope="col">Content</th><th scope="col">Padding</th><th scope="col">Preview</th></tr></thead>
<tbody>
${first.map(recordRow)}${omitted > 0 ? gap : ""}${last.map(recordRow)}
</tbody>
</table>`;
}

function recordRow({ from, time, type, requestId, contentLength, paddingLength, preview }: SeenRecord): Html {
  const direction = from === "front" ? "to the application" : "to the front";
  return html`<tr class="${from}"><td class="time">${time.toFixed(1)} ms</td><th scope="row"><span class="arrow" role="img" aria-label="${direction}"></span>${type}</th><td class="id">${requestId}</td><td class="content">${contentLength}</td><td class="padding">${paddingLength}</td><td class="preview">${preview}</td></tr>
`;
}

function table(name: string, value: string, rows: [name: string, value: string][]): Html {
  return html`<table class="pairs">
<thead><tr><th scope="col">${name}</th><th scope="col">${value}</th></tr></thead>
<tbody>
${rows.map(([key, text]) => html`<tr><th scope="row">${key}</th><td>${text}</td></tr>\n`)}
</tbody>
</table>`;
}
