import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { commands } from "../../cli/commands.ts";
import type { Command, CommandInput } from "../../cli/frame/command.ts";
import { outputOf } from "../../cli/frame/process.ts";
import { Progress } from "../../cli/frame/progress.ts";
import { readInput } from "../../cli/frame/read.ts";
import { VERSION } from "../../cli/version.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { fetchcgi } from "./run.ts";

const command: Command = {
  name: "try",
  summary: "tries",
  operands: [
    { name: "FIRST", about: "the first" },
    { name: "SECOND", about: "the second", isOptional: true },
  ],
  options: {
    flag: { type: "flag", short: "f", about: "a flag" },
    text: { type: "text", value: "TEXT", default: "none", about: "a text" },
    kind: { type: "text", value: "KIND", choices: ["one", "two"], about: "a kind" },
    many: { type: "texts", short: "m", value: "TEXT", about: "texts" },
    count: { type: "number", value: "N", default: 3, about: "a number" },
    limit: { type: "number", value: "N", about: "another number" },
    rest: { type: "number", value: "N", min: 0, about: "a number that may be 0" },
    few: { type: "number", value: "N", max: 10, about: "a small number" },
    pick: { type: "texts", value: "KIND", choices: ["one", "two"], needs: "many", about: "several kinds" },
    only: { type: "flag", excludes: ["flag", "count"], about: "does all by itself" },
  },
  exitCodes: [],
  examples: [],
  load: () => Promise.reject(new Error("Nothing runs")),
};

describe("readInput", () => {
  it.each<[args: string[], options: object, operands: string[]]>([
    [["a"], { flag: false, text: "none", kind: undefined, many: [], count: 3, limit: undefined }, ["a"]],
    [["a", "b", "-f", "--text=x", "--kind", "two"], { flag: true, text: "x", kind: "two" }, ["a", "b"]],
    [["--many", "1", "a", "-m2", "-m", "3"], { many: ["1", "2", "3"] }, ["a"]],
    [["--text", "1", "--text", "2", "a"], { text: "2" }, ["a"]],
    [["--text", "-", "a"], { text: "-" }, ["a"]],
    [["--text", "--other", "--few", "10", "a"], { text: "--other", few: 10 }, ["a"]],
    [["--text=--flag", "a"], { text: "--flag", flag: false }, ["a"]],
    [["--text", "", "a", "--limit", "12"], { text: "", limit: 12 }, ["a"]],
    [["a", "--rest", "0"], { rest: 0 }, ["a"]],
    [["a", "--pick", "two", "--pick", "one", "-m", "x"], { pick: ["two", "one"], many: ["x"] }, ["a"]],
    [["a", "--only"], { only: true, count: 3 }, ["a"]],
    [["--", "--flag"], { flag: false }, ["--flag"]],
  ])("reads %j", (args, options, operands) => {
    const input = readInput(command, args) as CommandInput;
    expect(input.options).toMatchObject(options);
    expect(input.operands).toEqual(operands);
  });

  it.each<[args: string[], message: string]>([
    [[], "Cannot read the arguments: expected FIRST [SECOND], got nothing"],
    [["a", "b", "c"], 'Cannot read the arguments: expected FIRST [SECOND], got "a" "b" "c"'],
    [["a", "--flg"], "Cannot use --flg: `fetchcgi try` has no such option; did you mean --flag?"],
    [["a", "-x"], "Cannot use -x: `fetchcgi try` has no such option; `fetchcgi try --help` lists them"],
    [["a", "--constructor"], "Cannot use --constructor: `fetchcgi try` has no such option"],
    [["a", "--flag=yes"], 'Cannot use --flag: expected no value, got "yes"'],
    [["a", "--text"], "Cannot use --text: expected TEXT, got nothing"],
    [["a", "--text", "--flag"], "Cannot use --text: expected TEXT, got the option --flag; --text=… takes any value"],
    [["a", "-m", "--kind=one"], "Cannot use -m: expected TEXT, got the option --kind=one; --many=… takes any value"],
    [["a", ""], 'Cannot use "" as SECOND: it is empty'],
    [["a", "--few", "11"], 'Cannot use --few: expected a whole number from 1 to 10, got "11"'],
    [["a", "--kind", "three"], 'Cannot use --kind: expected one of one, two, got "three"'],
    [["a", "--count", "1.5"], 'Cannot use --count: expected a whole number from 1 to 999999999, got "1.5"'],
    [["a", "--count", "-1"], 'Cannot use --count: expected a whole number from 1 to 999999999, got "-1"'],
    [["a", "-m", "x", "--pick", "one", "--pick", "three"], 'Cannot use --pick: expected one of one, two, got "three"'],
    [["a", "--pick", "one"], "Cannot use --pick: it needs --many"],
    [["a", "--only", "-f"], "Cannot use --flag with --only, which does all by itself"],
    [["a", "--count", "3", "--only"], "Cannot use --count with --only, which does all by itself"],
    [["a", "--rest", "-1"], 'Cannot use --rest: expected a whole number from 0 to 999999999, got "-1"'],
  ])("refuses %j with what was expected", (args, message) => {
    expect(() => readInput(command, args)).toThrow(message);
  });

  it("says when help or the version is asked for, whatever else is wrong", () => {
    for (const args of [["--help"], ["-h"], ["a", "b", "c", "-h", "--version"]])
      expect(readInput(command, args)).toBe("help");
    for (const args of [["--version"], ["-V", "a", "--kind", "three"]])
      expect(readInput(command, args)).toBe("version");
  });
});

describe("fetchcgi", () => {
  it("names only options of the same command where one needs or excludes another", () => {
    for (const { name, options } of commands) {
      const others = Object.values(options).flatMap(({ needs = [], excludes = [] }) => [needs, excludes].flat());
      expect(Object.keys(options), name).toEqual(expect.arrayContaining(others));
    }
  });

  it("prints its commands, each command's help, and its version", async () => {
    for (const args of [["--help"], ["-h"], ["help"]]) {
      const { code, text } = await fetchcgi(args);
      for (const { name, summary } of commands) expect(text.replace(/\s+/g, " ")).toContain(`${name} ${summary}`);
      expect(code).toBe(0);
    }
    for (const { name, options, exitCodes, examples } of commands) {
      const words = name.split(" ");
      for (const args of [
        [...words, "--help"],
        [...words, "-h"],
        ["help", ...words],
      ]) {
        const { code, text } = await fetchcgi(args);
        for (const key of Object.keys(options)) expect(text).toContain(`--${key}`);
        for (const [exitCode] of exitCodes) expect(text).toMatch(new RegExp(`^ {2}${exitCode} `, "m"));
        for (const [line] of examples) expect(text).toContain(`  ${line}\n`);
        expect(code).toBe(0);
      }
    }
    for (const args of [["--version"], ["-V"], ["ping", "--version"], ["check", "server", "-V"]])
      expect(await fetchcgi(args)).toEqual({ code: 0, text: VERSION, errors: "" });
    expect((await fetchcgi(["check", "--help"])).text).toContain("check server");
  });

  it("has the same options, letters and defaults in its help and in the README of each command", () => {
    for (const folder of new Set(commands.map(({ name }) => name.split(" ")[0]!))) {
      const readme = readFileSync(new URL(`../../cli/${folder}/README.md`, import.meta.url), "utf8");
      const rows = readme.split("\n").filter((line) => line.startsWith("| `--"));
      const options = commands
        .filter(({ name }) => name.split(" ")[0] === folder)
        .flatMap((each) => Object.entries(each.options));
      const named = rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/`--([\w-]+)/g)].map(([, key]) => key));
      expect(new Set(named), folder).toEqual(new Set(options.map(([key]) => key)));
      for (const [key, spec] of options) {
        const about = rows.filter((row) => new RegExp(`\`--${key}\\b(?!-)`).test(row.split("|")[1]!));
        if (spec.short !== undefined) expect(about.join(), key).toContain(`\`-${spec.short}\``);
        if (!("default" in spec)) continue;
        const defaults = about.map((row) => row.split("|")[2]!.trim().replaceAll("`", ""));
        expect(defaults, key).toContain(String(spec.default));
      }
    }
  });

  it("breaks the lines of its help where a terminal ends", async () => {
    for (const columns of [60, 80, 400]) {
      const { text } = await fetchcgi(["check", "application", "--help"], { terminal: { columns } });
      const [help] = text.split("Examples");
      expect(Math.max(...help!.split("\n").map((line) => line.length))).toBeLessThanOrEqual(Math.min(columns, 100));
    }
  });

  it("shows colours only where the output has them", async () => {
    expect((await fetchcgi(["--help"], { terminal: { hasColor: true } })).text).toContain("\u001b[1mfetchcgi\u001b[0m");
    expect((await fetchcgi(["--help"], { terminal: { isTerminal: true } })).text).not.toContain("\u001b");
  });

  it("says which commands there are when there is no such command", async () => {
    const cases: [args: string[], message: string][] = [
      [[], "Cannot run: expected a command, one of serve, gateway, request, ping,"],
      [["--verison"], "Cannot use --verison: it is no option of fetchcgi itself, which has --help and --version;"],
      [["chek"], "did you mean `fetchcgi check`?"],
      [["check", "sever"], "did you mean `fetchcgi check server`?"],
      [["something"], "`fetchcgi --help` lists all"],
    ];
    for (const [args, message] of cases) {
      const { code, errors, text } = await fetchcgi(args);
      expect(errors).toContain(message);
      expect([code, text]).toEqual([2, ""]);
    }
  });

  it("says which commands a group has when only the group is named", async () => {
    const { code, errors } = await fetchcgi(["check"]);
    expect(errors).toMatch(/^ {2}check application .*\n(?:.*\n)* {2}check server /m);
    expect(errors).not.toContain("did you mean");
    expect(code).toBe(2);
  });
});

describe("outputOf", () => {
  it("has colours on a terminal, unless NO_COLOR is set or the terminal is dumb", () => {
    const stream = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY, columns: 120 }) as never;
    expect(outputOf(stream(true), { TERM: "xterm" })).toMatchObject({ isTerminal: true, hasColor: true, columns: 120 });
    expect(outputOf(stream(true), { TERM: "xterm", NO_COLOR: "1" }).hasColor).toBe(false);
    expect(outputOf(stream(true), { TERM: "dumb" }).hasColor).toBe(false);
    expect(outputOf(stream(false), { TERM: "xterm" })).toMatchObject({ isTerminal: false, hasColor: false });
  });

  it("has colours elsewhere if FORCE_COLOR asks for them, and none if that is 0", () => {
    const stream = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY }) as never;
    expect(outputOf(stream(false), { FORCE_COLOR: "1", NO_COLOR: "1", TERM: "dumb" })).toMatchObject({
      isTerminal: false,
      hasColor: true,
    });
    expect(outputOf(stream(false), { FORCE_COLOR: "true" }).hasColor).toBe(true);
    expect(outputOf(stream(true), { FORCE_COLOR: "0" }).hasColor).toBe(false);
    expect(outputOf(stream(true), { FORCE_COLOR: "false" }).hasColor).toBe(false);
    expect(outputOf(stream(false), { FORCE_COLOR: "" }).hasColor).toBe(false);
  });

  it("rejects when the reader has left", async () => {
    const stream = new PassThrough();
    const output = outputOf(stream as never, {});
    stream.destroy(new Error("EPIPE"));
    await expect(output.write("text")).rejects.toThrow();
  });
});

describe("Progress", () => {
  it("writes one line on a terminal and takes it away, and writes nothing elsewhere", () => {
    const written: string[] = [];
    const output = (isTerminal: boolean) => ({
      isTerminal,
      hasColor: false,
      columns: 10,
      write: async (data: string | Uint8Array) => void written.push(String(data)),
    });
    const onTerminal = new Progress(output(true));
    for (let i = 0; i < 3; i++) onTerminal.show(() => `${i} of 1000 checks`);
    onTerminal.clear();
    onTerminal.clear();
    expect(written).toEqual(["\r0 of 1000\u001b[K", "\r\u001b[K"]);
    new Progress(output(false)).show(() => "nothing");
    expect(written).toHaveLength(2);
  });
});

describe("fetchcgi complete", () => {
  it("makes bash complete commands, options and values", async () => {
    const folder = await createTemporaryDirectory("complete");
    onTestFinished(() => folder.remove());
    const script = join(folder.path, "complete.sh");
    await writeFile(script, (await fetchcgi(["complete", "bash"])).text);
    await chmod(script, 0o755);
    const complete = async (...words: string[]): Promise<string[]> => {
      const program = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fetchcgi; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await promisify(execFile)("bash", ["-c", program, script, "fetchcgi", ...words]);
      return stdout.split("\n").filter((line) => line !== "");
    };
    expect(await complete("")).toEqual(
      expect.arrayContaining([...new Set(commands.map(({ name }) => name.split(" ")[0]!)), "--help", "--version"]),
    );
    expect(await complete("ch")).toEqual(["check"]);
    expect(await complete("check", "")).toEqual(["application", "server"]);
    expect(await complete("check", "s")).toEqual(["server"]);
    expect(await complete("check", "application", "--body")).toEqual(["--body-uri"]);
    expect(await complete("check", "server", "--mo")).toEqual(["--mode"]);
    expect(await complete("complete", "")).toEqual(["bash"]);
    expect(await complete("check", "application", "x", "y")).toEqual([]);
  });
});
