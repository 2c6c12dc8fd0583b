import { expect, it } from "vitest";
import {
  isKnownRole,
  type RequestInput,
  type RequestState,
  requestInput,
  requestStep,
} from "../../src/codec/request_state.ts";
import { RecordType, Role } from "../../src/protocol/constants.ts";

const INPUTS = ["PARAMS", "PARAMS end", "STDIN", "STDIN end", "DATA", "DATA end", "ABORT"] as const;

/** "action > next state", or "-" where the record must not come, for each input in the order of INPUTS. */
type Row = readonly [state: RequestState, ...steps: string[]];

/** FastCGI 6.1 to 6.4 and specifications/fastcgi.md 5, every state and input of every role. */
const TABLES: readonly (readonly [name: string, role: Role, rows: readonly Row[]])[] = [
  [
    "Responder",
    Role.Responder,
    [
      // PARAMS, PARAMS end, STDIN, STDIN end, DATA, DATA end, ABORT
      [
        "params",
        "collect params > params",
        "start request > stdin",
        "-",
        "-",
        "report > params",
        "ignore > params",
        "abort > params",
      ],
      [
        "stdin",
        "-",
        "ignore > stdin",
        "push stdin > stdin",
        "end stdin > complete",
        "report > stdin",
        "ignore > stdin",
        "abort > stdin",
      ],
      ["data", "-", "-", "-", "-", "-", "-", "-"],
      [
        "complete",
        "-",
        "ignore > complete",
        "-",
        "ignore > complete",
        "report > complete",
        "ignore > complete",
        "abort > complete",
      ],
    ],
  ],
  [
    "Authorizer",
    Role.Authorizer,
    [
      [
        "params",
        "collect params > params",
        "start request > complete",
        "report > params",
        "ignore > params",
        "report > params",
        "ignore > params",
        "abort > params",
      ],
      ["stdin", "-", "-", "-", "-", "-", "-", "-"],
      ["data", "-", "-", "-", "-", "-", "-", "-"],
      [
        "complete",
        "-",
        "ignore > complete",
        "report > complete",
        "ignore > complete",
        "report > complete",
        "ignore > complete",
        "abort > complete",
      ],
    ],
  ],
  [
    "Filter",
    Role.Filter,
    [
      ["params", "collect params > params", "start request > stdin", "-", "-", "-", "-", "abort > params"],
      ["stdin", "-", "ignore > stdin", "push stdin > stdin", "end stdin > data", "-", "-", "abort > stdin"],
      ["data", "-", "ignore > data", "-", "ignore > data", "push data > data", "end data > complete", "abort > data"],
      ["complete", "-", "ignore > complete", "-", "ignore > complete", "-", "ignore > complete", "abort > complete"],
    ],
  ],
];

const cells = TABLES.flatMap(([name, role, rows]) =>
  rows.flatMap(([state, ...steps]) => steps.map((step, index) => [name, state, INPUTS[index]!, step, role] as const)),
);

it("requestStep is tested with every input in every state of every role", () => {
  expect(cells).toHaveLength(3 * 4 * INPUTS.length);
});

it.each(cells)("requestStep of a %s in state %s does with %s: %s", (_, state, input, step, role) => {
  const actual = requestStep(role, state, input);
  expect(actual === undefined ? "-" : actual.join(" > ")).toBe(step);
});

/** Feeds inputs one after the other; returns the actions and the state behind them. */
function run(role: Role, ...inputs: RequestInput[]): { actions: string[]; state: RequestState } {
  let state: RequestState = "params";
  const actions: string[] = [];
  for (const input of inputs) {
    const [action, next]: readonly [string, RequestState] =
      requestStep(role, state, input) ?? expect.unreachable(`${input} in ${state}`);
    actions.push(action);
    state = next;
  }
  return { actions, state };
}

it("requestStep leads a Responder over STDIN to complete and starts it at the end of PARAMS", () => {
  expect(run(Role.Responder, "PARAMS", "PARAMS", "PARAMS end", "STDIN", "STDIN", "STDIN end")).toEqual({
    actions: ["collect params", "collect params", "start request", "push stdin", "push stdin", "end stdin"],
    state: "complete",
  });
});

it("requestStep leads an Authorizer to complete at the end of PARAMS", () => {
  // lighttpd 1.4.69 sends an empty STDIN behind it.
  expect(run(Role.Authorizer, "PARAMS", "PARAMS end", "STDIN end")).toEqual({
    actions: ["collect params", "start request", "ignore"],
    state: "complete",
  });
});

it("requestStep leads a Filter over STDIN and DATA to complete", () => {
  expect(run(Role.Filter, "PARAMS end", "STDIN", "STDIN end", "DATA", "DATA end", "DATA end")).toEqual({
    actions: ["start request", "push stdin", "end stdin", "push data", "end data", "ignore"],
    state: "complete",
  });
});

it("requestInput tells content from the end of a stream when the type is a stream", () => {
  const { Params, Stdin, Data } = RecordType;
  expect([Params, Stdin, Data].map((type) => requestInput(type, 1))).toEqual(["PARAMS", "STDIN", "DATA"]);
  expect([Params, Stdin, Data].map((type) => requestInput(type, 0))).toEqual(["PARAMS end", "STDIN end", "DATA end"]);
});

it("requestInput takes ABORT_REQUEST with or without content: it is discrete", () => {
  expect(requestInput(RecordType.AbortRequest, 0)).toBe("ABORT");
  expect(requestInput(RecordType.AbortRequest, 8)).toBe("ABORT");
});

it("requestInput returns null for every other type", () => {
  const known: readonly number[] = [RecordType.AbortRequest, RecordType.Params, RecordType.Stdin, RecordType.Data];
  for (let type = 0; type <= 255; type++) {
    for (const length of [0, 1]) expect(requestInput(type, length) === null, String(type)).toBe(!known.includes(type));
  }
});

it("isKnownRole is true for the roles 1 to 3 and for nothing else", () => {
  const known = Array.from({ length: 65_536 }, (_, role) => role).filter(isKnownRole);
  expect(known).toEqual([1, 2, 3]);
});
