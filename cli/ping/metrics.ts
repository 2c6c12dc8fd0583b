// The text format of Prometheus, version 0.0.4.

import { safeLine } from "../frame/style.ts";
import { type PingResult, STATE_CODES } from "./state.ts";

/** Numbers of the status page that only grow. */
const COUNTERS: ReadonlySet<string> = new Set(["accepted conn", "max children reached", "slow requests"]);

/** What a ping found, as metrics. */
export function metricsText(address: string, { state, status, pool = {} }: PingResult, milliseconds: number): string {
  const label = `address="${escaped(address)}"`;
  const lines = [
    ...metric("fetchcgi_up", "gauge", "Whether the application answers.", [[label, state === "up" ? 1 : 0]]),
    ...metric(
      "fetchcgi_state",
      "gauge",
      "Which state the application is in.",
      Object.keys(STATE_CODES).map((name) => [`${label},state="${name}"`, name === state ? 1 : 0]),
    ),
    ...metric("fetchcgi_ping_seconds", "gauge", "How long the ping took.", [
      [label, Number((milliseconds / 1000).toFixed(6))],
    ]),
  ];
  if (status !== undefined)
    lines.push(...metric("fetchcgi_status", "gauge", "The status of the answer.", [[label, status]]));
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(pool)) {
    const isCounter = COUNTERS.has(name);
    const full = `fetchcgi_phpfpm_${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_")}${isCounter ? "_total" : ""}`;
    // Two names of an odd page can come to one; a metric may be there only once.
    if (seen.has(full)) continue;
    seen.add(full);
    const help = `"${safeLine(name).replaceAll("\\", "\\\\")}" of php-fpm's status page.`;
    lines.push(...metric(full, isCounter ? "counter" : "gauge", help, [[label, value]]));
  }
  return lines.join("\n");
}

function metric(
  name: string,
  type: "counter" | "gauge",
  help: string,
  samples: readonly (readonly [labels: string, value: number])[],
): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([labels, value]) => `${name}{${labels}} ${value}`),
  ];
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
