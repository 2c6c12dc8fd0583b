import { expect } from "vitest";
import { RawConnection } from "../../support/raw_connection.ts";
import { begin, bytesOf, params, stdin } from "../../support/records.ts";
import type { Setting } from "./battery.ts";

/** A client that gives up, and web servers that leave. */
export function abortCases({ column, half, kind, link }: Setting): void {
  column.test(
    "abort",
    "serve aborts request.signal when the client aborts its own behind a part of the body",
    async () => {
      expect((await link().run({ do: "fetch", url: "/wait", abort: true })).error).toMatch(/abort/i);
      expect(await link().noticed("aborted")).toBe("connectionClosed");
      expect(await link().run({ do: "fetch", url: "/next" })).toEqual({ status: 200, text: "answered /next" });
    },
  );

  if (half === "client") return;
  const ways: [string, (connection: RawConnection) => void][] = [
    ["half-closes", (connection) => connection.end()],
    ["closes", (connection) => connection.close()],
  ];
  // Unix sockets have no reset.
  if (kind === "TCP") ways.push(["resets", (connection) => connection.reset()]);
  for (const [way, leave] of ways) {
    column.test("abort", `serve aborts request.signal when the peer ${way} the connection`, async () => {
      const connection = await RawConnection.open(link().target);
      await connection.write(bytesOf(begin(1), params(1, { REQUEST_METHOD: "GET", REQUEST_URI: "/wait" }), stdin(1)));
      await connection.readUntil((bytes) => bytes.includes("started\n"));
      leave(connection);
      expect(await link().noticed("aborted")).toBe("connectionClosed");
      expect(await link().run({ do: "fetch", url: "/next" })).toEqual({ status: 200, text: "answered /next" });
    });
  }
}
