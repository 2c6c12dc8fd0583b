import { expect, it } from "vitest";
import { metricsText } from "../../cli/ping/metrics.ts";

it("metrics are valid whatever names the status page has, and however long the ping took", () => {
  const pool = { "listen queue": 1, "Listen-Queue": 2, "odd\nname\\": 3, "accepted conn": 4, "accepted conn total": 5 };
  const lines = metricsText("a", { state: "up", message: "", status: 200, pool }, 22.7).split("\n");
  expect(lines).toContain('fetchcgi_ping_seconds{address="a"} 0.0227');
  expect(lines).toContain('fetchcgi_phpfpm_listen_queue{address="a"} 1');
  expect(lines).toContain('fetchcgi_phpfpm_odd_name_{address="a"} 3');
  expect(lines).toContain('fetchcgi_phpfpm_accepted_conn_total{address="a"} 4');
  for (const line of lines) {
    expect(line).toMatch(/^(?:# (?:HELP|TYPE) [a-z_]+ (?:[^\\\p{Cc}]|\\\\)+|[a-z_]+\{[^{}]*\} [\d.e+-]+)$/u);
  }
  const types = lines.filter((line) => line.startsWith("# TYPE"));
  expect(new Set(types.map((line) => line.split(" ")[2])).size).toBe(types.length);
});

it.each(["up", "down", "saturated", "wrong"] as const)(
  "metrics of the state %s say so, and that it is no other",
  (state) => {
    const lines = metricsText("/run/app.sock", { state, message: "" }, 1).split("\n");
    const label = 'address="/run/app.sock"';
    expect(lines).toContain(`fetchcgi_up{${label}} ${state === "up" ? 1 : 0}`);
    const states = lines.filter((line) => line.startsWith("fetchcgi_state{"));
    expect(states).toHaveLength(4);
    expect(states.filter((line) => line.endsWith(" 1"))).toEqual([`fetchcgi_state{${label},state="${state}"} 1`]);
  },
);
