// Reads arguments. `parseArgs` of the runtime takes them apart; what is allowed, and what the values mean, is in the command's table.

import { parseArgs } from "node:util";
import {
  COMMON_OPTIONS,
  type Command,
  type CommandInput,
  type OptionSpec,
  type OptionTable,
  UsageError,
} from "./command.ts";
import { nameOfOperand } from "./help.ts";
import { nearest } from "./nearest.ts";

/** The largest number with nine digits, the most where an option has no `max`. */
const MAX_NUMBER = 999_999_999;

/**
 * Reads the arguments behind the name of a command. If they ask for help or the version, that is all that they say.
 *
 * @throws {UsageError} If they are not what the command takes.
 */
export function readInput(
  { name, options, operands = [] }: Command,
  args: readonly string[],
): CommandInput | "help" | "version" {
  const table: OptionTable = { ...options, ...COMMON_OPTIONS };
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(table).map(([key, { type, short }]) => [
        key,
        { type: type === "flag" ? ("boolean" as const) : ("string" as const), ...(short !== undefined && { short }) },
      ]),
    ),
    // What is wrong is said below, in the same words on every runtime.
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const found: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") found.push(token.value);
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (spec === undefined) throw unknownOption(token.rawName, table, name);
    if (spec.type === "flag" && token.value !== undefined)
      throw new UsageError(`Cannot use ${token.rawName}: expected no value, got "${token.value}"`);
    if (spec.type !== "flag" && token.value === undefined)
      throw new UsageError(`Cannot use ${token.rawName}: expected ${spec.value}, got nothing`);
    if (spec.type !== "flag" && token.inlineValue === false && isOption(token.value, table))
      throw new UsageError(
        `Cannot use ${token.rawName}: expected ${spec.value}, got the option ${token.value}; --${token.name}=… takes any value`,
      );
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? ""]);
  }
  for (const asked of ["help", "version"] as const) if (given.has(asked)) return asked;
  const needed = operands.filter(({ isOptional }) => !isOptional).length;
  if (found.length < needed || found.length > operands.length) {
    const names = operands.map(nameOfOperand).join(" ") || "no more than options";
    throw new UsageError(
      `Cannot read the arguments: expected ${names}, got ${found.length === 0 ? "nothing" : found.map((text) => `"${text}"`).join(" ")}`,
    );
  }
  for (const [index, text] of found.entries()) {
    const { name: operand, choices } = operands[index]!;
    if (text === "") throw new UsageError(`Cannot use "" as ${operand}: it is empty`);
    if (choices !== undefined && !choices.includes(text))
      throw new UsageError(`Cannot use "${text}" as ${operand}: expected one of ${choices.join(", ")}`);
  }
  checkTogether(table, [...given.keys()]);
  const values = Object.entries(options).map(([key, spec]) => [key, readValue(`--${key}`, spec, given.get(key))]);
  return { options: Object.fromEntries(values), given: new Set(given.keys()), operands: found };
}

/** Whether a value is an option that the command has: then the user forgot the value before it. */
function isOption(value: string, table: OptionTable): boolean {
  return value.startsWith("--") && Object.hasOwn(table, value.slice(2).replace(/=.*/s, ""));
}

/** @throws {UsageError} If one of the options that are given has no effect. */
function checkTogether(table: OptionTable, given: readonly string[]): void {
  for (const name of given) {
    const { needs, excludes = [], about } = table[name]!;
    if (needs !== undefined && !given.includes(needs))
      throw new UsageError(`Cannot use --${name}: it needs --${needs}`);
    const other = excludes.find((one) => given.includes(one));
    if (other !== undefined) throw new UsageError(`Cannot use --${other} with --${name}, which ${about}`);
  }
}

function readValue(option: string, spec: OptionSpec, given: readonly string[] | undefined): unknown {
  const last = given?.at(-1);
  switch (spec.type) {
    case "flag":
      return given !== undefined;
    case "texts":
      return (given ?? []).map((text) => readText(option, text, spec.choices));
    case "number":
      return last === undefined ? spec.default : readNumber(option, last, spec.min ?? 1, spec.max ?? MAX_NUMBER);
    case "text":
      return last === undefined ? spec.default : readText(option, last, spec.choices);
  }
}

function readText(option: string, text: string, choices: readonly string[] | undefined): string {
  if (choices === undefined || choices.includes(text)) return text;
  throw new UsageError(`Cannot use ${option}: expected one of ${choices.join(", ")}, got "${text}"`);
}

function readNumber(option: string, text: string, min: 0 | 1, max: number): number {
  if (/^(?:0|[1-9]\d{0,8})$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
  throw new UsageError(`Cannot use ${option}: expected a whole number from ${min} to ${max}, got "${text}"`);
}

function unknownOption(rawName: string, table: OptionTable, name: string): UsageError {
  const close = nearest(
    rawName,
    Object.keys(table).map((key) => `--${key}`),
  );
  const advice = close === undefined ? `\`fetchcgi ${name} --help\` lists them` : `did you mean ${close}?`;
  return new UsageError(`Cannot use ${rawName}: \`fetchcgi ${name}\` has no such option; ${advice}`);
}
