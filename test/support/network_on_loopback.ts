// A network of hosts that are loopback addresses, for machines where no network namespaces can be made. Before each host is a relay, a
// process that takes connections at its address. While it is stopped (SIGSTOP) and the queues of its sockets are full, its peers hear
// nothing: the system takes their connections neither, nor does it refuse them.

import { createConnection, type Socket } from "node:net";
import type { CuttableHost, Network } from "./network.ts";
import { type RunningProcess, startProcess, waitUntil } from "./process.ts";

/** Connections that wait for a relay. */
const BACKLOG = 128;

const RELAY = `
import { connect, createServer } from "node:net";
const [address, listenAddress, localAddress, ...ports] = process.argv.slice(1);
for (const port of ports.map(Number)) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (peer) => {
    const host = connect({ host: listenAddress, port, localAddress, allowHalfOpen: true, noDelay: true });
    for (const [from, to] of [[peer, host], [host, peer]]) {
      from.on("error", () => {}).once("close", () => to.destroy()).pipe(to);
    }
  });
  server.listen({ host: address, port, backlog: ${BACKLOG} }, () => console.log("listening"));
}
`;

/** Makes a network of so many hosts, each with these ports. */
export async function startNetworkOnLoopback(count: number, ports: readonly number[]): Promise<Network> {
  // Of this process: other tests may have a network too.
  const prefix = `127.${128 + ((process.pid >> 8) & 127)}.${process.pid & 255}.`;
  const balancer = { address: `${prefix}1`, listenAddress: `${prefix}1`, start: startProcess };
  const relays: RunningProcess[] = [];
  const hosts: CuttableHost[] = [];
  const stop = async (): Promise<void> => {
    for (const host of hosts) await host.reconnect();
    for (const relay of relays.splice(0)) await relay.stop();
  };
  try {
    for (let i = 0; i < count; i++) {
      const [address, listenAddress] = [`${prefix}${11 + i}`, `${prefix}${111 + i}`];
      const relay: RunningProcess = await startProcess(process.execPath, {
        name: "a relay",
        args: ["--input-type=module", "-e", RELAY, address, listenAddress, balancer.address, ...ports.map(String)],
      });
      relays.push(relay);
      await waitUntil(() => relay.stdout().split("listening").length > ports.length);
      hosts.push(hostBehind(relay, { address, listenAddress }, ports));
    }
    return { balancer, hosts, prefix, isShared: true, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function hostBehind(
  { pid }: RunningProcess,
  addresses: { readonly address: string; readonly listenAddress: string },
  ports: readonly number[],
): CuttableHost {
  const fillers: Socket[] = [];
  return {
    ...addresses,
    start: startProcess,
    async cutOff() {
      process.kill(pid, "SIGSTOP");
      // Some more than the queue is long: the others wait for it, as connections of peers do then.
      for (const port of ports) {
        for (let i = 0; i < BACKLOG + 10; i++)
          fillers.push(createConnection({ host: addresses.address, port }).on("error", () => {}));
      }
    },
    async reconnect() {
      for (const filler of fillers.splice(0)) filler.destroy();
      process.kill(pid, "SIGCONT");
    },
  };
}
