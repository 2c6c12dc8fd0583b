import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { RecordType } from "../../../src/toolkit.ts";
import { bytesOf, record } from "../../support/records.ts";
import { TcpBackend } from "../../support/tcp_backend.ts";
import { unansweredPort, unansweredSocket } from "../../support/unanswered.ts";
import type { Setting } from "./battery.ts";
import { UNKNOWN_HOST } from "./listening.ts";
import type { Operation, Target } from "./programs/operations.ts";

/** What only the client does: connections that are opened, half-closed and broken. */
export function connectingCases(setting: Setting): void {
  const { column, kind, row, link, newPath } = setting;
  column.test(row, "readable and writable half-close each on its own when the peer does too", async () => {
    const received: string[] = [];
    const answering = await listen(setting, async (socket) => socket.end(`you said ${await textOf(socket)}`));
    const ending = await listen(setting, async (socket) => {
      for (const piece of ["good ", "bye ", "for ", "ever"]) {
        socket.write(piece);
        // Each comes alone, as a rule.
        await sleep(10);
      }
      socket.end();
      received.push(await textOf(socket));
    });
    const exchange = { do: "exchange", text: "hello", order: "send first" } as const;
    const remoteAddress = "path" in answering ? answering : { hostname: "127.0.0.1", port: answering.port };
    expect(await runAt(answering, exchange)).toEqual({ text: "you said hello", remoteAddress });
    const late = await runAt(ending, { do: "exchange", text: "late words", order: "read first" });
    expect(late).toMatchObject({ text: "good bye for ever" });
    expect(received).toEqual(["late words"]);
  });

  column.test(row, "connect says what is wrong when nobody listens", async () => {
    const target = kind === "Unix" ? { path: newPath() } : { port: 1 };
    const { error } = await runAt(target, { do: "fetch", options: { maxConnectRetries: 0 } });
    const where = "path" in target ? target.path : "127.0.0.1:1";
    expect(error).toContain(`connectFailed: Cannot connect to ${where}: `);
    // Workers learn no code.
    if (column.runtime === "workerd") return;
    expect(error).toMatch(/is the application running\? \((ECONNREFUSED|ENOENT)\)$/);
  });

  if (kind === "TCP") breakingCases(setting, runAt);
  else {
    column.test(row, "connect says that the backlog may be full when it is", async () => {
      const target = { path: newPath() };
      await unansweredSocket(target.path);
      const options = { maxConnectRetries: 0 };
      const { error } = await runAt(target, { do: "fetch", options });
      // Bun tells no difference.
      const code = column.runtime === "bun" ? "ECONNREFUSED" : "EAGAIN";
      expect(error).toContain(`connectFailed: Cannot connect to ${target.path}: `);
      expect(error).toMatch(new RegExp(`backlog .*listen\\.backlog.*\\(${code}\\)$`));
    });
  }

  function runAt(target: Target, operation: Omit<Operation, "target">) {
    return link().run({ ...operation, target } as Operation);
  }
}

type RunAt = (target: Target, operation: Omit<Operation, "target">) => ReturnType<ReturnType<Setting["link"]>["run"]>;

/** Unix sockets have no host and no reset, and connecting to one takes no time. */
function breakingCases(setting: Setting, runAt: RunAt): void {
  const { column, row } = setting;
  column.test(row, "connect says that there is no host when its name is unknown", async () => {
    const target = { hostname: "no-such-host.invalid", port: 9000 };
    const { error } = await runAt(target, { do: "fetch", options: { maxConnectRetries: 0 } });
    expect(error).toContain("connectFailed: Cannot connect to no-such-host.invalid:9000: ");
    // Workers learn no code.
    if (column.runtime !== "workerd") expect(error).toMatch(UNKNOWN_HOST);
  });

  column.test(row, "readable fails when the peer resets the connection", async () => {
    const resetting = await listen(setting, (socket) => void socket.once("data", () => socket.resetAndDestroy()));
    const { error } = await runAt(resetting, { do: "exchange", text: "hello", order: "send first" });
    expect(error).toMatch(/reset|lost/i);
  });

  column.test(row, "fetch fails the body when its connection breaks", async () => {
    const breaking = await TcpBackend.start(async ({ id, uri, connection }) => {
      await connection.send(bytesOf(record(RecordType.Stdout, id, `Content-Type: text/plain\r\n\r\nthe beginning`)));
      if (uri === "/reset") setTimeout(() => connection.reset(), 20);
      else connection.end();
    });
    onTestFinished(() => breaking.close());
    const target = { port: breaking.port };
    for (const url of ["/reset", "/end"]) {
      expect((await runAt(target, { do: "fetch", url })).error).toMatch(/^connectionClosed: /);
    }
  });

  column.test(row, "connect gives up when connecting takes longer than connectTimeout", async () => {
    const options = { connectTimeout: 100, maxConnectRetries: 0 };
    const { error } = await runAt(await unansweredPort(), { do: "fetch", options });
    expect(error).toMatch(/^timeout: /);
  });
}

/** A peer that is no application, until the test is over. */
async function listen({ kind, newPath }: Setting, onConnection: (socket: Socket) => void): Promise<Target> {
  const server = createServer({ allowHalfOpen: true }, (socket) => onConnection(socket.on("error", () => {})));
  onTestFinished(() => void server.close());
  const where = kind === "TCP" ? { port: 0, host: "127.0.0.1" } : { path: newPath() };
  await once(server.listen(where), "listening");
  return "path" in where ? { path: where.path! } : { port: (server.address() as AddressInfo).port };
}

/** All that a socket sends. */
async function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  await once(socket, "end");
  return text;
}
