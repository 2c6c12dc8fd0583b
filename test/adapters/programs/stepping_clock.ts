// Serves and fetches on a runtime whose wall clock steps by hours, forward and back, every millisecond. Arguments: its name, and
// a folder. Prints what came of it, and how often the library has read that clock, as a line of JSON.

import { join } from "node:path";
import { adapterOf, type RuntimeName } from "../battery/programs/adapter.ts";

const HOUR = 3_600_000;
const WallClock = Date;
let steps = 0;
setInterval(() => {
  steps++;
}, 1);

/** The clock as it is set now. */
function now(): number {
  // This program asks for the time nowhere itself.
  if (/\/(?:src|adapters)\//.test((new Error().stack ?? "").replaceAll(/\/test\/.*/g, ""))) result.readByLibrary++;
  return WallClock.now() + ((steps % 7) - 3) * 11 * HOUR;
}

const result = {
  readByLibrary: 0,
  /** What requests gave, in order, each once. */
  answers: [] as string[],
  /** How many connections the requests took. */
  connections: 0,
  /** The codes of those that had to fail. */
  failures: [] as unknown[],
  /** The members of a failover that answered: while the first one is down, when it is back, and when its cool-down is over. */
  members: [] as string[],
};

globalThis.Date = new Proxy(WallClock, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});

const [name, folder = ""] = process.argv.slice(2);
const { serve, failover, FastCgiHttpClient, FastCgiUnixConnector } = await adapterOf(name as RuntimeName);
const path = join(folder, "app.sock");
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const fetch = async (request: Request): Promise<Response> => {
  const { pathname } = new URL(request.url);
  if (pathname === "/silent") await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
  // Long enough for clocks to step while it waits.
  if (pathname === "/slow") await sleep(50);
  return new Response("answer");
};

// Timeouts that a step of hours would pass, and that nothing else does.
const limits = { idleTimeout: HOUR, readTimeout: HOUR, writeTimeout: HOUR };
const server = await serve({ path, fetch, ...limits, paramsTimeout: HOUR });

const connector = new FastCgiUnixConnector(path);
let opened = 0;
const counting = {
  connect: (options: Parameters<typeof connector.connect>[0]) => {
    opened++;
    return connector.connect(options);
  },
};
const client = new FastCgiHttpClient(counting, { keepAlive: true, maxConnections: 2, headerTimeout: HOUR, ...limits });
for (let round = 0; round < 20; round++) {
  const paths = ["/", "/slow"].map((name) => client.fetch(`http://localhost${name}`).then((each) => each.text()));
  for (const answer of await Promise.all(paths)) if (!result.answers.includes(answer)) result.answers.push(answer);
}
result.connections = opened;

// A timeout runs out all the same.
const impatient = new FastCgiHttpClient(connector, { headerTimeout: 50 });
await impatient
  .fetch("http://localhost/silent")
  .catch(({ code, limit }: { code: string; limit: string }) => void result.failures.push([code, limit]));

// An application that is down is asked last until its cool-down is over.
const late = join(folder, "late.sock");
const [long, short] = [HOUR, 1].map(
  (coolDown) =>
    new FastCgiHttpClient(failover([new FastCgiUnixConnector(late), connector], { coolDown }), { headerTimeout: HOUR }),
);
const noteMember = async (from: InstanceType<typeof FastCgiHttpClient>): Promise<void> =>
  void result.members.push(await (await from.fetch("http://localhost/")).text());
await noteMember(long!);
await noteMember(short!);
const second = await serve({ path: late, fetch: () => new Response("late") });
await noteMember(long!);
await sleep(2);
await noteMember(short!);

await Promise.all([client, impatient, long!, short!].map((each) => each.close()));
await Promise.all([server, second].map((each) => each.close({ timeout: 1000 })));
console.log(JSON.stringify(result));
process.exit();
