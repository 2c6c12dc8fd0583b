// Model checking in small: runs the same operations in every order up to a depth, and beyond it in orders that are chosen at random.
//
// An order is a text, such as "q.oa": each letter is an operation. A dot before it lets everything that waits for nothing else go on
// first; without one, the operation comes in the same turn as the one before it. What an order finds is replayed by that text.

import { type FakeClock, onFakeClock, turns } from "../fuzz/clock.ts";
import { must } from "../fuzz/wire.ts";

/** Something with a state, which operations change. */
export interface World {
  /** The operations that mean something now, each one letter. */
  enabled(): string;
  /** Does one of them, within one turn. */
  do(operation: string): void;
  /** Ends what has begun, in a good way. Throws, or rejects, if a rule was broken. */
  finish(): Promise<void>;
}

/** How a world is made. */
export interface WorldKind {
  readonly name: string;
  make(clock: FakeClock): World;
}

/** An order that breaks a rule. */
export interface BrokenOrder {
  readonly order: string;
  readonly error: unknown;
}

/** Runs one order, and gives the operations that could come next. */
async function enabledAfter({ make }: WorldKind, order: string): Promise<string> {
  return onFakeClock(async (clock) => {
    const world = make(clock);
    for (const letter of order) {
      if (letter === ".") await turns(1);
      else if (world.enabled().includes(letter)) world.do(letter);
    }
    const enabled = world.enabled();
    await turns(1);
    const later = world.enabled();
    await world.finish();
    return [...enabled].map((each) => `${each} `).join("") + [...later].map((each) => `.${each}`).join("");
  });
}

/** The operations that may come behind an order, with the dot before them. */
function nextOf(enabled: string): string[] {
  return enabled.match(/\.?[^. ]/g) ?? [];
}

/** Runs one order. */
export async function replay(kind: WorldKind, order: string): Promise<BrokenOrder | null> {
  try {
    await enabledAfter(kind, order);
    return null;
  } catch (error) {
    return { order, error };
  }
}

/** Runs every order of up to `depth` operations. Gives how many there were, and the first that broke a rule, which is a shortest one. */
export async function explore(
  kind: WorldKind,
  depth: number,
  isOver: () => boolean = () => false,
): Promise<{ readonly orders: number; readonly broken: BrokenOrder | null }> {
  let level = [""];
  let orders = 0;
  for (let length = 0; length <= depth; length++) {
    const next: string[] = [];
    for (const order of level) {
      if (isOver()) return { orders, broken: null };
      orders++;
      try {
        const enabled = await enabledAfter(kind, order);
        if (length < depth) for (const operation of nextOf(enabled)) next.push(order + operation);
      } catch (error) {
        return { orders, broken: { order, error } };
      }
    }
    level = next;
  }
  return { orders, broken: null };
}

/** Numbers that a seed decides: xorshift. */
function choices(seed: number): (limit: number) => number {
  let state = (seed * 2_654_435_761 + 1) | 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** Runs an order of `length` operations that a seed decides. One that breaks a rule is made as short as it can be. */
export async function sample(kind: WorldKind, length: number, seed: number): Promise<BrokenOrder | null> {
  const choose = choices(seed);
  let order = "";
  try {
    await onFakeClock(async (clock) => {
      const world = kind.make(clock);
      for (let step = 0; step < length; step++) {
        if (choose(2) === 0) {
          order += ".";
          await turns(1);
        }
        const enabled = world.enabled();
        if (enabled === "") continue;
        const operation = enabled[choose(enabled.length)]!;
        order += operation;
        world.do(operation);
      }
      await world.finish();
    });
    return null;
  } catch (error) {
    return shorten(kind, { order, error });
  }
}

async function shorten(kind: WorldKind, broken: BrokenOrder): Promise<BrokenOrder> {
  let shortest = broken;
  for (let at = 0; at < shortest.order.length; ) {
    const shorter = await replay(kind, shortest.order.slice(0, at) + shortest.order.slice(at + 1));
    if (shorter === null) at++;
    else shortest = shorter;
  }
  return shortest;
}

/** Says what broke, and how it is replayed. */
export function reportOf({ name }: WorldKind, { order, error }: BrokenOrder): string {
  const reason =
    error instanceof Error
      ? `${error.stack ?? error.message}${error.cause ? `\n${String(error.cause)}` : ""}`
      : String(error);
  return `${name} breaks a rule in the order ${JSON.stringify(order)}:\n${reason}\nReplay it: npm run races -- --world ${name} --order ${order}`;
}

/** Longer than every timeout, one behind the other. */
export const LONG = 3 * 3_600_000;

/** @throws {Fault} If a promise is not settled within `rounds` of the event loop and hours of the clock. */
export async function mustSettle(clock: FakeClock, promise: Promise<unknown>, what: string): Promise<void> {
  let isSettled = false;
  void promise.then(
    () => {
      isSettled = true;
    },
    () => {
      isSettled = true;
    },
  );
  await turns(2);
  if (!isSettled) await clock.pass(LONG);
  must(isSettled, `${what} never settles`);
}
