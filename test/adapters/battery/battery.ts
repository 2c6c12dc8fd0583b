// The battery: what the served application and the client do on every runtime, over TCP and over Unix sockets. `npm run runtimes`
// prints what came of it.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { startWorker, type Worker } from "../../support/workerd.ts";
import { abortCases } from "./abort.ts";
import { backpressureCases } from "./backpressure.ts";
import { Column, type Row, type Runtime, rows } from "./cells.ts";
import { clientCloseCases, serverCloseCases } from "./close.ts";
import { connectingCases } from "./connecting.ts";
import { descriptorCases } from "./descriptor.ts";
import { type Kind, kinds, type Link, linkToClient, linkToServer } from "./link.ts";
import { listeningCases } from "./listening.ts";
import { manyRequestsCases } from "./many_requests.ts";
import { memoryCases } from "./memory.ts";
import { nginxCases } from "./nginx.ts";
import { phpFpmCases } from "./php_fpm.ts";
import { requestCases } from "./requests.ts";
import { clientShortageCases } from "./shortage.ts";
import { connectorFileCases } from "./socket_file.ts";
import { clientStandstillCases, serverStandstillCases } from "./standstill.ts";
import { streamingCases } from "./streaming.ts";
import { workerSocketCases } from "./worker_sockets.ts";

/** Runtimes that listen. */
export type ServingRuntime = Exclude<Runtime, "workerd">;

/** What cases are about: one half of a runtime, over one kind of socket. */
export interface Setting {
  readonly column: Column;
  readonly half: "serve" | "client";
  readonly kind: Kind;
  /** The row of this half and kind. */
  readonly row: Row;
  readonly link: () => Link;
  /** A path for a Unix socket. */
  readonly newPath: () => string;
}

/** What both halves do with each other. Memory first: what others left behind would hide growth. */
const exchangeCases = [memoryCases, requestCases, streamingCases, abortCases, backpressureCases, manyRequestsCases];

/** Runs the battery on a runtime that has both halves. */
export function describeRuntime(runtime: ServingRuntime): void {
  describeColumn(runtime, (column, newPath) => {
    for (const kind of kinds) {
      const place = () => (kind === "TCP" ? { port: 0 } : { path: newPath() });
      describeHalf(
        { column, half: "serve", kind, newPath },
        () => linkToServer(runtime, place()),
        (setting) => {
          listeningCases(setting, runtime);
          serverCloseCases(setting, runtime);
          serverStandstillCases(setting, runtime);
        },
      );
      describeHalf({ column, half: "client", kind, newPath }, () => linkToClient(runtime, place()), describeClient);
    }
    descriptorCases(column, runtime, newPath);
    nginxCases(column, runtime, newPath);
  });
}

/** Runs what there is of the battery for Workers. */
export function describeWorkers(): void {
  describeColumn("workerd", (column, newPath) => {
    const half = { column, half: "client", kind: "TCP", newPath } as const;
    describeHalf(
      half,
      () => linkToClient("workerd", { port: 0 }),
      (setting) => {
        describeClient(setting);
        workerSocketCases(setting);
      },
    );
    describe("what Workers lack", () => {
      let worker: Worker;
      beforeAll(async () => {
        worker = await startWorker();
      });
      afterAll(() => worker?.stop());
      const hasNoServe = async (): Promise<void> =>
        expect(await worker.serve()).toMatch(
          /^TypeError: Cannot use serve of this entry: import it from "fetchcgi\/node"/,
        );
      column.gap("client Unix", "Workers have no Unix sockets", async () => {
        const { error } = await worker.run({ do: "fetch", target: { path: "/run/app.sock" } });
        expect(error).toMatch(/^TypeError: Cannot connect to "\/run\/app.sock": expected "host:port"/);
      });
      const ofClients: readonly Row[] = ["client TCP", "client Unix", "php-fpm behind"];
      for (const row of rows.filter((name) => !ofClients.includes(name))) {
        column.gap(row, "Workers don't listen", hasNoServe);
      }
    });
  });
}

function describeClient(setting: Setting): void {
  clientShortageCases(setting);
  if (setting.kind === "Unix") connectorFileCases(setting);
  connectingCases(setting);
  clientCloseCases(setting);
  clientStandstillCases(setting);
  phpFpmCases(setting);
}

function describeColumn(runtime: Runtime, cases: (column: Column, newPath: () => string) => void): void {
  describe(runtime, () => {
    let folder: TemporaryDirectory;
    let sockets = 0;
    failOnUnhandledRejections();
    beforeAll(async () => {
      folder = await createTemporaryDirectory("runtimes");
    });
    afterAll(() => folder?.remove());
    cases(new Column(runtime), () => join(folder.path, `${++sockets}.sock`));
  });
}

function describeHalf(
  half: Omit<Setting, "row" | "link">,
  open: () => Promise<Link>,
  ownCases: (setting: Setting) => void,
): void {
  const row: Row = `${half.half} ${half.kind}`;
  describe(row, () => {
    let link: Link;
    beforeAll(async () => {
      link = await open();
    });
    afterAll(() => link?.stop());
    const setting = { ...half, row, link: () => link };
    for (const cases of exchangeCases) cases(setting);
    ownCases(setting);
  });
}
