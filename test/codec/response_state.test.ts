import { expect, it } from "vitest";
import { type ResponseState, responseInput, responseStep } from "../../src/codec/response_state.ts";
import { RecordType } from "../../src/protocol/constants.ts";

const INPUTS = ["STDOUT", "STDOUT end", "STDERR", "STDERR end", "END_REQUEST"] as const;

/** "action > next state", or "-" where the record must not come, for each input in the order of INPUTS. */
const TABLE: readonly (readonly [state: ResponseState, ...steps: string[]])[] = [
  ["open", "push stdout > open", "ignore > stdout ended", "push stderr > open", "ignore > open", "complete > complete"],
  [
    "stdout ended",
    "-",
    "ignore > stdout ended",
    "push stderr > stdout ended",
    "ignore > stdout ended",
    "complete > complete",
  ],
  ["complete", "-", "-", "-", "-", "-"],
];

const cells = TABLE.flatMap(([state, ...steps]) => steps.map((step, index) => [state, INPUTS[index]!, step] as const));

it("responseStep is tested with every input in every state", () => {
  expect(cells).toHaveLength(3 * INPUTS.length);
});

it.each(cells)("responseStep in state %s does with %s: %s", (state, input, step) => {
  const actual = responseStep(state, input);
  expect(actual === undefined ? "-" : actual.join(" > ")).toBe(step);
});

it("responseInput tells content from the end of a stream when the type is a stream", () => {
  const { Stdout, Stderr } = RecordType;
  expect([Stdout, Stderr].map((type) => responseInput(type, 1))).toEqual(["STDOUT", "STDERR"]);
  expect([Stdout, Stderr].map((type) => responseInput(type, 0))).toEqual(["STDOUT end", "STDERR end"]);
});

it("responseInput takes END_REQUEST whatever its length: it is discrete", () => {
  expect(responseInput(RecordType.EndRequest, 8)).toBe("END_REQUEST");
  expect(responseInput(RecordType.EndRequest, 0)).toBe("END_REQUEST");
});

it("responseInput returns null for every type that web servers send, and for unknown ones", () => {
  const known: readonly number[] = [RecordType.Stdout, RecordType.Stderr, RecordType.EndRequest];
  for (let type = 0; type <= 255; type++) {
    for (const length of [0, 1]) expect(responseInput(type, length) === null, String(type)).toBe(!known.includes(type));
  }
});
