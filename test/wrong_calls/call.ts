// A public function and its arguments, so that each can be replaced by a wrong value.

import type { ArgumentType } from "./types.ts";

/** One argument of a call. */
export interface Argument {
  readonly name: string;
  readonly type: ArgumentType;
  /** Makes a value with which the call succeeds. */
  readonly right: () => unknown;
  /** The options in it. A wrong value of one is given in an object that is right apart from it. */
  readonly options?: Readonly<Record<string, ArgumentType>>;
}

/** A public function, constructor or method. */
export interface Call {
  /** `name`, `new Name`, `Name.static` or `Name#method`. */
  readonly name: string;
  /** How it fails. */
  readonly fails: "throws" | "rejects";
  readonly run: (...args: never[]) => unknown;
  readonly args: readonly Argument[];
}

export function argument(
  name: string,
  type: ArgumentType,
  right: () => unknown,
  options?: Readonly<Record<string, ArgumentType>>,
): Argument {
  return { name, type, right, ...(options && { options }) };
}
