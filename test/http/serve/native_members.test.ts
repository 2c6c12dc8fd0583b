// Objects that stand in for a native one.

import { describe, expect, it } from "vitest";
import { completeWith, copyHeaders } from "../../../src/http/serve/native_members.ts";

const HIDDEN = Symbol("hidden");

/** As in Workers, members come from two classes. */
class Above {
  readonly name: string;
  readonly [HIDDEN]: string;

  constructor(name: string) {
    this.name = name;
    this[HIDDEN] = `state of ${name}`;
  }

  get inherited(): string {
    return `inherited of ${this.name}`;
  }
}

class Native extends Above {
  get own(): string {
    return `own of ${this.name}`;
  }

  get answered(): string {
    return "native";
  }

  call(...args: unknown[]): unknown[] {
    return [this.name, ...args];
  }
}

/** An object whose members are answered by a native object for each kind of use. */
function standIn(): Native {
  class StandIn {
    get answered(): string {
      return "stand-in";
    }
  }
  const [getter, symbol, method] = ["getter", "symbol", "method"].map((name) => new Native(name));
  const natives = { forGetter: () => getter!, forSymbol: () => symbol!, forMethod: () => method! };
  completeWith(StandIn.prototype, Native, natives, new Native("sample"));
  return new StandIn() as unknown as Native;
}

describe("completeWith", () => {
  it("completeWith has the native objects answer all other members, of each class between the base and Object", () => {
    const made = standIn();
    expect([made.own, made.inherited]).toEqual(["own of getter", "inherited of getter"]);
    expect(made.call(1, "two")).toEqual(["method", 1, "two"]);
    expect(made[HIDDEN]).toBe("state of symbol");
    expect(made.answered).toBe("stand-in");
  });

  it("completeWith makes it an instance of the base, with its constructor", () => {
    const made = standIn();
    expect(made).toBeInstanceOf(Native);
    expect(made.constructor).toBe(Native);
  });

  it("completeWith gives members that a program can redefine, as native ones are", () => {
    const prototype = Object.getPrototypeOf(standIn());
    const getter = { get: expect.any(Function), set: undefined, enumerable: false, configurable: true };
    const value = { value: expect.any(Function), writable: true, enumerable: false, configurable: true };
    expect(Object.getOwnPropertyDescriptors(prototype)).toEqual({
      constructor: { ...value, value: Native },
      answered: getter,
      own: getter,
      inherited: getter,
      call: value,
      [HIDDEN]: getter,
    });
  });
});

it("copyHeaders replaces all headers by copies of the others, cookies one by one", () => {
  const source = new Headers([
    ["x-a", "1"],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ]);
  const target = new Headers({ "x-a": "0", "x-b": "0", "set-cookie": "c=3" });
  copyHeaders(source, target);
  expect([...target].sort()).toEqual([...source].sort());
  expect(target.getSetCookie()).toEqual(["a=1", "b=2"]);
});
