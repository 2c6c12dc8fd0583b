import { expect, it } from "vitest";
import type { Output } from "../../cli/frame/command.ts";
import { Printer } from "../../cli/frame/printer.ts";

/** An output that fails with these codes, one for each write, and then takes everything. */
function outputWith(...codes: string[]): { readonly output: Output; readonly text: () => string } {
  let text = "";
  const output: Output = {
    isTerminal: false,
    hasColor: false,
    columns: 80,
    async write(data) {
      const code = codes.shift();
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      text += data;
    },
  };
  return { output, text: () => text };
}

it.each(["ENOSPC", "EDQUOT", "EFBIG"])(
  "Printer goes on when %s is over, and says how many lines are missing",
  async (code) => {
    const { output, text } = outputWith(code, code);
    const printer = new Printer(
      output,
      (count) => `${count} are missing`,
      () => expect.unreachable("it is not closed"),
    );
    for (const lines of [["one", "two"], ["three"], ["four"], ["five"]]) {
      printer.print(lines);
      await printer.flush();
    }
    // The last line before may have been written in part.
    expect(text()).toBe("\nfour\n3 are missing\nfive\n");
  },
);

it("Printer prints no more to a reader that has left, and tells so once", async () => {
  const { output, text } = outputWith("EPIPE");
  let closed = 0;
  const printer = new Printer(output, String, () => void closed++);
  for (const line of ["one", "two"]) {
    printer.print([line]);
    await printer.flush();
  }
  expect([text(), closed]).toEqual(["", 1]);
});
