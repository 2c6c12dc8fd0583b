import { expect } from "vitest";
import type { Setting } from "./battery.ts";
import { MAX_PARAMS_BYTES } from "./link.ts";

const MIB = 1024 * 1024;

/** Roles, limits and errors. */
export function requestCases({ column, row, link }: Setting): void {
  column.test(row, "fetch gets the answer when the application has one", async () => {
    expect(await link().run({ do: "fetch", url: "/path" })).toEqual({ status: 200, text: "answered /path" });
  });

  column.test(row, "authorize gets the variables when the application is asked as an Authorizer", async () => {
    expect(await link().run({ do: "authorize", url: "/role" })).toEqual({ variables: { USER: "somebody" } });
  });

  column.test(row, "fetch sends the file when the application is asked as a Filter", async () => {
    const outcome = await link().run({ do: "fetch", url: "/role", data: MIB });
    expect(JSON.parse(outcome.text!)).toEqual({ role: 3, data: MIB });
  });

  column.test(row, "serve answers 500 and tells onError when the handler throws", async () => {
    expect(await link().run({ do: "fetch", url: "/throw" })).toMatchObject({ status: 500 });
    expect(await link().noticed("error")).toContain("The handler failed");
  });

  column.test(row, "serve answers 431 and goes on when there are more variables than maxParamsBytes", async () => {
    const url = `/${"x".repeat(MAX_PARAMS_BYTES)}`;
    expect(await link().run({ do: "fetch", url })).toMatchObject({ status: 431 });
    expect(await link().noticed("error")).toContain(`more than ${MAX_PARAMS_BYTES} bytes of params`);
    expect(await link().run({ do: "fetch", url: "/next" })).toEqual({ status: 200, text: "answered /next" });
  });

  column.test(row, "fetch fails the body and goes on when it is longer than maxStdoutBytes", async () => {
    const options = { maxStdoutBytes: MIB };
    const { error } = await link().run({ do: "fetch", url: `/download?bytes=${2 * MIB}`, options });
    expect(error).toBe(`limit: Cannot read stdout: more than ${MIB} bytes`);
    expect(await link().run({ do: "fetch", url: "/next" })).toEqual({ status: 200, text: "answered /next" });
  });
}
