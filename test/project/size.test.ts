import { expect, it } from "vitest";
import { MAX_CLIENT_BYTES, sizes } from "../../scripts/size.mjs";

it("a program with the HTTP client has nothing of the server in it, and of the rest what it needs", async () => {
  const programs = await sizes();
  const filesOf = (name: string): readonly string[] => programs.find((program) => program.name === name)!.files;
  expect(filesOf("HTTP client").filter((file) => /server|service|request_decoder|connectors/.test(file))).toEqual([]);
  expect(filesOf("HTTP service").filter((file) => /client|response_decoder|connectors/.test(file))).toEqual([]);
  expect(filesOf("HTTP client").length).toBeLessThan(filesOf("whole core").length);
});

it("a program with the HTTP client stays within its size, minified and gzipped", async () => {
  const client = (await sizes()).find(({ name }) => name === "HTTP client")!;
  expect(client.gzipped).toBeLessThan(MAX_CLIENT_BYTES);
});
