// A private network of hosts, each a network namespace (network_namespaces(7)) with an address of its own, on a bridge in the namespace
// of the balancer. Loopback addresses would not do: a host on one can't be cut off, and every process there has every address.
//
// Root makes namespaces itself; another user does so in a user namespace, where the system allows it. Nothing has to be taken down: a
// namespace ends with its last process. Files are those of the machine, so a Unix socket leads into the network.
//
// Where no namespaces can be made, as in most containers, hosts are loopback addresses (network_on_loopback.ts).

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { requireProgram } from "../../scripts/setup.mjs";
import { startNetworkOnLoopback } from "./network_on_loopback.ts";
import { type ProcessOptions, type RunningProcess, startProcess, waitUntil } from "./process.ts";

const run = promisify(execFile);

/** A host, or the one of the balancer. */
export interface Host {
  readonly address: string;
  /** Where a program of the host listens, so that others reach it at the address. */
  readonly listenAddress: string;
  /** Starts a program there. */
  start(command: string, options: ProcessOptions): Promise<RunningProcess>;
}

export interface CuttableHost extends Host {
  /** No packet comes or goes, as without its cable: peers hear nothing, not even that a connection is closed. */
  cutOff(): Promise<void>;
  reconnect(): Promise<void>;
}

export interface Network {
  readonly balancer: Host;
  readonly hosts: readonly CuttableHost[];
  /** Its addresses without their last number: the balancer is 1, the hosts are 11 and up. */
  readonly prefix: string;
  /** Whether the machine itself is one of its hosts, whose ports are in use by others. */
  readonly isShared: boolean;
  /** After the programs in it. */
  stop(): Promise<void>;
}

/** Addresses for documentation (RFC 5737): no machine has them. */
const ADDRESS = "192.0.2.";

/** Makes a network of so many hosts, each with these ports. */
export async function startNetwork(count: number, ports: readonly number[]): Promise<Network> {
  requireProgram("ip");
  try {
    return await startNamespaces(count);
  } catch (error) {
    console.warn(`${(error as Error).message.trim()}: the hosts are loopback addresses, with a relay before each`);
    return startNetworkOnLoopback(count, ports);
  }
}

async function startNamespaces(count: number): Promise<Network> {
  const holders: RunningProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const holder of holders.splice(0).reverse()) await holder.stop();
  };
  /** Makes a namespace, and resolves with the process that holds it. */
  const hold = async (command: string, args: readonly string[]): Promise<number> => {
    const holder = await startProcess(command, {
      name: "a network namespace",
      args: [...args, "sh", "-c", "ip link set lo up && echo held && exec sleep infinity"],
    });
    holders.push(holder);
    let ended: string | undefined;
    void holder.exited.then((how) => {
      ended = how;
    });
    await waitUntil(() => {
      if (ended === undefined) return holder.stdout() === "held\n";
      const reason = holder.stderr().trim() || `it ended with ${ended}`;
      throw new Error(`Cannot make a network namespace: ${reason}`);
    });
    return holder.pid;
  };
  const isRoot = process.getuid?.() === 0;
  const enter = (pid: number): string[] => [
    `--target=${pid}`,
    "--net",
    ...(isRoot ? [] : ["--user", "--preserve-credentials"]),
    "--",
  ];
  const inside = (pid: number, ...command: string[]): Promise<unknown> => run("nsenter", [...enter(pid), ...command]);
  const hostOf = (pid: number, address: string): Host => ({
    address,
    listenAddress: address,
    start: (command, options) =>
      startProcess("nsenter", { ...options, args: [...enter(pid), command, ...options.args] }),
  });
  try {
    const balancer = await hold("unshare", ["--net", ...(isRoot ? [] : ["--user", "--map-root-user"]), "--"]);
    await inside(balancer, "ip", "link", "add", "bridge", "type", "bridge");
    await inside(balancer, "ip", "address", "add", `${ADDRESS}1/24`, "dev", "bridge");
    await inside(balancer, "ip", "link", "set", "bridge", "up");
    const hosts: CuttableHost[] = [];
    for (let i = 0; i < count; i++) {
      const pid = await hold("nsenter", [...enter(balancer), "unshare", "--net", "--"]);
      const address = `${ADDRESS}${11 + i}`;
      const cable = `cable${i}`;
      await inside(balancer, "ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", String(pid));
      await inside(balancer, "ip", "link", "set", cable, "master", "bridge", "up");
      await inside(pid, "ip", "address", "add", `${address}/24`, "dev", "eth0");
      await inside(pid, "ip", "link", "set", "eth0", "up");
      hosts.push({
        ...hostOf(pid, address),
        cutOff: async () => void (await inside(balancer, "ip", "link", "set", cable, "nomaster")),
        reconnect: async () => void (await inside(balancer, "ip", "link", "set", cable, "master", "bridge")),
      });
    }
    return { balancer: hostOf(balancer, `${ADDRESS}1`), hosts, prefix: ADDRESS, isShared: false, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
