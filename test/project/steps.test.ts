import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { runSteps, type Step } from "../../scripts/steps.mjs";

let lines: string[];

beforeEach(() => {
  lines = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(...line.split("\n")));
  vi.spyOn(console, "error").mockImplementation((line: string) => void lines.push(line));
});

afterEach(() => vi.restoreAllMocks());

/** A step that notes that it ran. */
function step(title: string, outcome: () => unknown, ran: string[]): Step {
  return {
    title,
    async run() {
      ran.push(title);
      return outcome();
    },
  };
}

it("runSteps runs what comes behind a step that fails, names those that failed, and gives a code that says which", async () => {
  const ran: string[] = [];
  const code = await runSteps([
    step("First", () => {}, ran),
    step("Second", () => 7, ran),
    step("Third", () => 0, ran),
    step(
      "Fourth",
      () => {
        throw new Error("Cannot use nginx: not installed");
      },
      ran,
    ),
    step("Fifth", () => 0, ran),
  ]);
  expect(ran).toEqual(["First", "Second", "Third", "Fourth", "Fifth"]);
  expect(code).toBe(2 ** 1 + 2 ** 3);
  expect(lines).toContain("Cannot use nginx: not installed");
  expect(lines.slice(lines.indexOf("== Steps ==") + 1).map((line) => line.replace(/\(\d+ s/, "(0 s"))).toEqual([
    "ok     First (0 s)",
    "FAILED Second (0 s, code 7)",
    "ok     Third (0 s)",
    "FAILED Fourth (0 s, code 1)",
    "ok     Fifth (0 s)",
  ]);
});

it("runSteps stops behind the step in which it is told to end, and says what was not run", async () => {
  const ran: string[] = [];
  const code = await runSteps([step("First", () => void process.emit("SIGTERM"), ran), step("Second", () => 0, ran)]);
  expect(ran).toEqual(["First"]);
  expect(code).toBe(143);
  expect(lines.at(-1)).toBe("NOT RUN Second");
});
