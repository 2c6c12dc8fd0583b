import { expect, it } from "vitest";
import { closeConnection } from "../../src/transport/connection.ts";
import { connectionPair } from "../support/memory_connection.ts";

it("closeConnection closes the connection when it is open", async () => {
  const [web] = connectionPair();
  await closeConnection(web);
  expect(web.isClosed).toBe(true);
});

it.each([
  ["throws", () => void JSON.parse("{")],
  ["rejects", () => Promise.reject(new Error("BadResource"))],
])("closeConnection resolves when close() %s", async (_, close) => {
  const [web] = connectionPair();
  await expect(closeConnection({ ...web, close })).resolves.toBeUndefined();
});
