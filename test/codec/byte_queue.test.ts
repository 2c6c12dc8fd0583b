import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { ByteQueue, type ByteQueueOptions, type PieceTarget } from "../../src/codec/byte_queue.ts";
import { joinBytes } from "../../src/codec/byte_source.ts";
import { latin1 } from "../support/bytes.ts";
import { drain, failureOf, isSettled, textFrom } from "../support/streams.ts";

function queueWith(options: Partial<ByteQueueOptions> = {}): ByteQueue {
  return new ByteQueue({ name: "stdin", requestId: 7, ...options });
}

/** A queue that holds these pieces. */
function filled(...pieces: readonly string[]): ByteQueue {
  return filledWith({}, ...pieces);
}

function filledWith(options: Partial<ByteQueueOptions>, ...pieces: readonly string[]): ByteQueue {
  const queue = queueWith(options);
  for (const piece of pieces) queue.push(latin1(piece));
  return queue;
}

/** The next piece, or null at the end. */
async function next(queue: ByteQueue): Promise<Uint8Array | null> {
  const { done, value } = await queue.read();
  return done ? null : value!;
}

it("ByteQueue yields pieces in the order they were pushed", async () => {
  const queue = filled("a", "bc", "d");
  queue.end();
  expect(await next(queue)).toEqual(latin1("a"));
  expect(await next(queue)).toEqual(latin1("bc"));
  expect(await next(queue)).toEqual(latin1("d"));
  expect(await next(queue)).toBeNull();
  expect(await next(queue)).toBeNull();
});

it("ByteQueue hands a piece to a reader that waits", async () => {
  const queue = queueWith();
  const read = next(queue);
  expect(await isSettled(read)).toBe(false);
  queue.push(latin1("a"));
  expect(await read).toEqual(latin1("a"));
  const end = next(queue);
  queue.end();
  expect(await end).toBeNull();
});

it("ByteQueue.read gives what is there without a promise, and takes a piece that was waited for before it counts", async () => {
  const queue = filled("a");
  expect(queue.read()).toEqual({ done: false, value: latin1("a") });
  const read = queue.read();
  expect(read).toBeInstanceOf(Promise);
  queue.push(latin1("b"));
  expect(queue.cost).toBe(0);
  expect(queue.whenRoom()).toBeUndefined();
  expect(await read).toEqual({ done: false, value: latin1("b") });
  queue.end();
  expect(queue.read()).toEqual({ done: true });
  const failed = queueWith();
  failed.fail(new Error("Gone"));
  expect(() => failed.read()).toThrow("Gone");
});

it("ByteQueue.takeQueued takes what is there, and leaves the queue open", async () => {
  const queue = filled("a", "b");
  expect(queue.takeQueued()).toEqual([latin1("a"), latin1("b")]);
  expect(queue.takeQueued()).toEqual([]);
  expect(queue).toMatchObject({ cost: 0, isDone: false });
  queue.push(latin1("c"));
  queue.end();
  expect(await textFrom(queue)).toBe("c");
});

it("ByteQueue keeps the order and counts right when pushes and reads come in any order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.nat(700), fc.constant("read" as const)), { maxLength: 60 }),
      async (steps) => {
        const queue = queueWith();
        const model: Uint8Array[] = [];
        let received = 0;
        for (const [index, step] of steps.entries()) {
          if (step === "read") {
            const expected = model.shift();
            if (expected !== undefined) expect(await next(queue)).toEqual(expected);
          } else {
            const piece = new Uint8Array(step + 1).fill(index);
            model.push(piece);
            queue.push(piece);
            received += piece.length;
          }
          expect(queue.cost).toBe(model.reduce((sum, { length }) => sum + Math.max(256, length), 0));
          expect(queue.received).toBe(received);
        }
      },
    ),
  );
});

it("ByteQueue takes time in proportion when very many pieces are queued", async () => {
  const queue = queueWith();
  const piece = latin1("x");
  const started = performance.now();
  for (let count = 0; count < 200_000; count++) queue.push(piece);
  queue.end();
  let read = 0;
  while ((await next(queue)) !== null) read++;
  expect(read).toBe(200_000);
  // Shifting an array of this length for every piece would take minutes.
  expect(performance.now() - started).toBeLessThan(5000);
});

it("ByteQueue counts every piece for at least 256 bytes", () => {
  const queue = filled("a", "b");
  expect(queue.cost).toBe(512);
  expect(queue.received).toBe(2);
  queue.push(new Uint8Array(1000));
  expect(queue.cost).toBe(1512);
});

it("ByteQueue copies a piece when it would keep a large buffer alive", async () => {
  const chunk = new Uint8Array(4001).fill(1);
  const queue = queueWith();
  queue.push(chunk.subarray(0, 1000));
  const piece = await next(queue);
  expect(piece).toEqual(new Uint8Array(1000).fill(1));
  expect(piece!.buffer.byteLength).toBe(1000);
});

it("ByteQueue does not copy a piece when it makes up a quarter of its buffer", async () => {
  const chunk = new Uint8Array(4000);
  const queue = queueWith();
  queue.push(chunk.subarray(0, 1000));
  expect((await next(queue))!.buffer).toBe(chunk.buffer);
});

it("ByteQueue does not copy a piece when a reader waits for it", async () => {
  const chunk = new Uint8Array(4001);
  const queue = queueWith();
  const first = next(queue);
  queue.push(chunk.subarray(0, 10));
  queue.push(chunk.subarray(10, 20));
  expect((await first)!.buffer).toBe(chunk.buffer);
  // No reader waits for the second.
  expect((await next(queue))!.buffer).not.toBe(chunk.buffer);
});

it("ByteQueue fails behind what is queued when it is failed", async () => {
  const queue = filled("a", "b");
  const error = new Error("The connection is gone");
  queue.fail(error);
  queue.fail(new Error("again"));
  queue.push(latin1("c"));
  queue.end();
  expect(queue.isDone).toBe(true);
  expect(await drain(queue)).toEqual({ bytes: latin1("ab"), error });
  await expect(next(queue)).rejects.toBe(error);
});

it("ByteQueue fails a reader that waits when it is failed", async () => {
  const queue = queueWith();
  const read = next(queue);
  queue.fail(new Error("The connection is gone"));
  await expect(read).rejects.toThrow("The connection is gone");
});

it("ByteQueue ends whole when it is failed after its end", async () => {
  const queue = filled("a");
  queue.end();
  queue.fail(new Error("too late"));
  expect(await textFrom(queue)).toBe("a");
});

it("ByteQueue drops what it holds when it is told to", async () => {
  const queue = filled("a", "b");
  queue.drop();
  queue.push(latin1("c"));
  expect(queue).toMatchObject({ cost: 0, isDone: true, received: 2 });
  expect(await next(queue)).toBeNull();
});

it("ByteQueue stays failed when it is told to drop what it holds", async () => {
  const queue = filled("a");
  const error = new Error("Gone");
  queue.fail(error);
  queue.drop();
  expect(queue).toMatchObject({ cost: 0, isDone: true, failure: error, isRead: false });
  await expect(next(queue)).rejects.toBe(error);
});

it("ByteQueue ends a reader that waits when it is told to drop everything", async () => {
  const queue = queueWith();
  const read = next(queue);
  queue.drop();
  expect(await read).toBeNull();
});

it("ByteQueue.cancel tells the feeder once when the stream is not finished", () => {
  const reasons: unknown[] = [];
  const queue = queueWith({ onAbandoned: (reason) => reasons.push(reason) });
  queue.cancel("enough");
  queue.cancel("again");
  queue.drop();
  expect(reasons).toEqual(["enough"]);
});

it("ByteQueue.cancel tells nobody when the stream has ended", () => {
  const reasons: unknown[] = [];
  const queue = queueWith({ onAbandoned: (reason) => reasons.push(reason) });
  queue.push(latin1("a"));
  queue.end();
  queue.cancel("enough");
  expect(reasons).toEqual([]);
  expect(queue.cost).toBe(0);
});

it("ByteQueue ends well when it has as many bytes as announced", async () => {
  const queue = queueWith({ expectedBytes: 3 });
  queue.push(latin1("ab"));
  queue.push(latin1("c"));
  queue.end();
  expect(await textFrom(queue)).toBe("abc");
});

it("ByteQueue fails with lengthMismatch when it ends short of the announced length", async () => {
  const queue = queueWith({ expectedBytes: 4 });
  queue.push(latin1("abc"));
  queue.end();
  const { bytes, error } = await drain(queue);
  expect(bytes).toEqual(latin1("abc"));
  expect(error).toMatchObject({ code: "lengthMismatch", requestId: 7 });
  expect((error as Error).message).toBe("Cannot read stdin: expected 4 bytes, got 3");
});

it("ByteQueue fails with lengthMismatch and abandons when it passes the announced length", async () => {
  const reasons: unknown[] = [];
  const queue = queueWith({ expectedBytes: 4, onAbandoned: (reason) => reasons.push(reason) });
  // No view is kept of what is dropped.
  expect(["abc", "de", "f"].map((piece) => queue.push(latin1(piece)))).toEqual([false, true, true]);
  expect(queue).toMatchObject({ isDone: true, received: 5 });
  const { bytes, error } = await drain(queue);
  // Not one byte of the piece that is too much.
  expect(bytes).toEqual(latin1("abc"));
  expect(error).toMatchObject({ code: "lengthMismatch", requestId: 7 });
  expect((error as Error).message).toBe("Cannot read stdin: expected 4 bytes, got at least 5");
  expect(reasons).toEqual([error]);
});

it("ByteQueue fails when nothing is announced to come and something comes", async () => {
  const queue = queueWith({ expectedBytes: 0 });
  queue.push(latin1("a"));
  expect((await failureOf(queue)).code).toBe("lengthMismatch");
});

it("ByteQueue checks no length when none is announced", async () => {
  const queue = queueWith({ expectedBytes: null });
  queue.push(latin1("a"));
  queue.end();
  expect(await textFrom(queue)).toBe("a");
});

it("ByteQueue fails with limit and abandons when it passes maxBytes", async () => {
  const reasons: unknown[] = [];
  const queue = queueWith({ maxBytes: 3, limit: "maxStdinBytes", onAbandoned: (reason) => reasons.push(reason) });
  queue.push(latin1("abc"));
  expect(queue.isDone).toBe(false);
  queue.push(latin1("d"));
  const { bytes, error } = await drain(queue);
  expect(bytes).toEqual(latin1("abc"));
  expect(error).toMatchObject({ code: "limit", limit: "maxStdinBytes", requestId: 7 });
  expect((error as Error).message).toBe("Cannot read stdin: more than 3 bytes");
  expect(reasons).toEqual([error]);
});

it("ByteQueue is empty when it has ended and nothing came", () => {
  const queue = queueWith();
  expect(queue.isEmpty).toBe(false);
  queue.end();
  expect(queue.isEmpty).toBe(true);
  const failed = queueWith();
  failed.fail(new Error("gone"));
  expect(failed.isEmpty).toBe(false);
  const full = filled("a");
  full.end();
  expect(full.isEmpty).toBe(false);
});

it("ByteQueue.whenRoom asks for no pause when less is queued", () => {
  expect(filledWith({ maxQueuedBytes: 257 }, "a").whenRoom()).toBeUndefined();
  expect(filledWith({ maxQueuedBytes: 256 }, "a").whenRoom()).toBeInstanceOf(Promise);
});

it("ByteQueue.whenRoom resolves when enough was read", async () => {
  const queue = filledWith({ maxQueuedBytes: 300 }, "a", "b", "c");
  const wait = queue.whenRoom()!;
  expect(await isSettled(wait)).toBe(false);
  await next(queue);
  expect(await isSettled(wait)).toBe(false);
  await next(queue);
  expect(await isSettled(wait)).toBe(true);
});

it("ByteQueue copies a small piece of a large buffer, whatever kind of Uint8Array it is", async () => {
  const queue = filled();
  queue.push(Buffer.alloc(10_000).subarray(0, 10));
  expect((await next(queue))!.buffer.byteLength).toBe(10);
});

it("ByteQueue.whenRoom gives one promise to all that wait", async () => {
  // A pause is asked for with every record: 64 KiB of one-byte records cost 0.8 s when each was woken by each read.
  const queue = filledWith({ maxQueuedBytes: 300 }, "a", "b");
  const wait = queue.whenRoom()!;
  expect(queue.whenRoom()).toBe(wait);
  await next(queue);
  await wait;
  queue.push(latin1("c"));
  const second = queue.whenRoom()!;
  expect(second).not.toBe(wait);
  expect(await isSettled(second)).toBe(false);
});

it("ByteQueue.whenRoom resolves when nothing more comes or is read: ended, dropped, cancelled, failed", async () => {
  for (const end of ["end", "drop", "cancel", "fail"] as const) {
    const queue = filledWith({ maxQueuedBytes: 1 }, "a");
    const wait = queue.whenRoom()!;
    expect(await isSettled(wait)).toBe(false);
    queue[end](new Error("gone"));
    expect(await isSettled(wait)).toBe(true);
    expect(queue.whenRoom()).toBeUndefined();
  }
});

it("ByteQueue.stream is made once and yields the pieces to the end", async () => {
  const queue = filled("a", "b");
  queue.end();
  expect(queue.stream).toBe(queue.stream);
  expect(await textFrom(queue.stream)).toBe("ab");
});

it("ByteQueue.stream reads nothing before it is read", async () => {
  const queue = filled("a", "b");
  const reader = queue.stream.getReader();
  await isSettled(Promise.resolve());
  expect(queue).toMatchObject({ cost: 512, isUsed: false });
  await reader.read();
  expect(queue).toMatchObject({ cost: 256, isUsed: true });
});

it("ByteQueue.stream gives all that came before a failure, also where that is known when it is read", async () => {
  const queue = filled("a", "b", "c");
  queue.fail(new Error("Gone"));
  expect(await drain(queue.stream)).toMatchObject({ bytes: latin1("abc"), error: { message: "Gone" } });
});

/** Joins what comes, and counts the pieces. */
function joining(): PieceTarget & { pieces: number; bytes(): Uint8Array } {
  const pieces: Uint8Array[] = [];
  return {
    get pieces() {
      return pieces.length;
    },
    add: (piece) => void pieces.push(new Uint8Array(piece)),
    bytes: () => joinBytes(pieces),
  };
}

it("ByteQueue.takeInto passes on each piece when it comes, and locks the stream whenever that is made", async () => {
  for (const isMadeBefore of [true, false]) {
    const queue = filled("a", "b");
    if (isMadeBefore) expect(queue.stream.locked).toBe(false);
    const target = joining();
    const all = queue.takeInto(target);
    expect(queue).toMatchObject({ isUsed: true, isLocked: true, cost: 0 });
    expect(queue.stream.locked).toBe(true);
    expect(queue.push(latin1("c"))).toBe(true);
    expect(target).toMatchObject({ pieces: 3 });
    expect(queue).toMatchObject({ received: 3, cost: 0, isDone: false });
    queue.end();
    await all;
    expect(target.bytes()).toEqual(latin1("abc"));
    await expect(queue.takeInto(joining())).rejects.toThrow("Cannot read stdin: it is being read already");
  }
});

it("ByteQueue.takeInto rejects as the queue fails, and if another reader has the stream", async () => {
  const failed = filled("a");
  failed.fail(new Error("Gone"));
  await expect(failed.takeInto(joining())).rejects.toThrow("Gone");
  const waiting = filled("a");
  const all = waiting.takeInto(joining());
  waiting.fail(new Error("Gone later"));
  await expect(all).rejects.toThrow("Gone later");
  const read = filled("a");
  const reader = read.stream.getReader();
  expect(read.isLocked).toBe(true);
  await expect(read.takeInto(joining())).rejects.toThrow(new TypeError("Cannot read stdin: it is being read already"));
  reader.releaseLock();
  expect(read.isLocked).toBe(false);
});

it("ByteQueue.takeInto keeps the limits of the stream", async () => {
  const queue = queueWith({ expectedBytes: 2 });
  const all = queue.takeInto(joining());
  queue.push(latin1("abc"));
  await expect(all).rejects.toThrow("Cannot read stdin: expected 2 bytes, got at least 3");
});

it("ByteQueue.takeInto rejects with the error of its target, which is no error of the connection", async () => {
  for (const whenQueued of [true, false]) {
    const onAbandoned = vi.fn();
    const queue = queueWith({ onAbandoned });
    if (whenQueued) queue.push(latin1("a"));
    const all = queue.takeInto({
      add() {
        throw new RangeError("Too long");
      },
    });
    if (!whenQueued) expect(queue.push(latin1("a"))).toBe(false);
    await expect(all).rejects.toThrow("Too long");
    expect(queue.push(latin1("b"))).toBe(true);
    expect(queue).toMatchObject({ isDone: true, cost: 0 });
    expect(onAbandoned).toHaveBeenCalledTimes(1);
  }
});

it("ByteQueue.takeInto rejects with the error of its target behind the end, and abandons nothing", async () => {
  const onAbandoned = vi.fn();
  const queue = filledWith({ onAbandoned }, "a");
  queue.end();
  const all = queue.takeInto({
    add() {
      throw new RangeError("Too long");
    },
  });
  await expect(all).rejects.toThrow("Too long");
  expect(onAbandoned).not.toHaveBeenCalled();
});

it("ByteQueue.takeInto leaves the rest to another reader when its target wants no more, and does not fail with it", async () => {
  for (const whenQueued of [true, false]) {
    const queue = queueWith();
    const taken: number[] = [];
    const target = { add: ({ length }: Uint8Array) => void taken.push(length), isFull: () => taken.length === 2 };
    const push = (): void => ["a", "bc", "def"].forEach((text) => void queue.push(latin1(text)));
    if (whenQueued) push();
    const all = queue.takeInto(target);
    if (!whenQueued) push();
    queue.fail(new Error("Broken"));
    await all;
    expect(taken).toEqual([1, 2]);
    expect(queue.isLocked).toBe(false);
    expect(await queue.read()).toEqual({ done: false, value: latin1("def") });
    await expect((async () => queue.read())()).rejects.toThrow("Broken");
  }
});

it("ByteQueue.unread puts the rest of a piece before those that wait", async () => {
  const queue = queueWith({ maxQueuedBytes: 1000 });
  queue.push(latin1("abc"));
  queue.push(latin1("de"));
  queue.end();
  await queue.read();
  queue.unread(latin1(""));
  queue.unread(latin1("bc"));
  expect(queue.cost).toBe(512);
  expect(await textFrom(queue)).toBe("bcde");
  expect(queue.cost).toBe(0);
});

it("ByteQueue.whenDoneOrFull resolves when as much waits as may, or nothing more will be pushed, and not before", async () => {
  const ends: readonly ((queue: ByteQueue) => unknown)[] = [
    (queue) => queue.push(latin1("b")),
    (queue) => queue.end(),
    (queue) => queue.fail(new Error("Gone")),
    (queue) => queue.drop(),
  ];
  for (const end of ends) {
    const queue = queueWith({ maxQueuedBytes: 512 });
    const wait = queue.whenDoneOrFull();
    queue.push(latin1("a"));
    expect(await isSettled(wait)).toBe(false);
    end(queue);
    expect(await isSettled(wait)).toBe(true);
    expect(await isSettled(queue.whenDoneOrFull())).toBe(true);
  }
});

it("ByteQueue.isStuck is whether as much waits as may, and none of it was read since the last note", async () => {
  const queue = queueWith({ maxQueuedBytes: 512 });
  queue.push(latin1("a"));
  expect(queue.isStuck).toBe(false);
  queue.push(latin1("b"));
  expect(queue.isStuck).toBe(true);
  await queue.read();
  queue.push(latin1("c"));
  // Something was read, and it is full again.
  expect(queue.isStuck).toBe(false);
  queue.noteReads();
  expect(queue.isStuck).toBe(true);
  await queue.read();
  expect(queue.isStuck).toBe(false);
});

it("ByteQueue says how far it has come, at each of its ends and before", () => {
  const gone = new Error("Gone");
  const ways: readonly (readonly [
    end: (queue: ByteQueue) => unknown,
    isDone: boolean,
    isComplete: boolean,
    failure: unknown,
  ])[] = [
    [() => {}, false, false, undefined],
    [(queue) => queue.end(), true, true, undefined],
    [(queue) => queue.drop(), true, false, undefined],
    [(queue) => queue.fail(gone), true, false, gone],
  ];
  for (const [end, isDone, isComplete, failure] of ways) {
    const queue = filled("a");
    end(queue);
    const isDropped = isDone && !isComplete && failure === undefined;
    expect(queue).toMatchObject({ isDone, isComplete, failure, isRead: isDropped, isUsed: false, isLocked: false });
    queue.takeQueued();
    expect(queue.isRead).toBe(isDone && failure === undefined);
  }
});

it("ByteQueue.expectedBytes is the announced length, or null", () => {
  expect(queueWith().expectedBytes).toBeNull();
  for (const expectedBytes of [null, 0, 3]) expect(queueWith({ expectedBytes }).expectedBytes).toBe(expectedBytes);
});

it("ByteQueue is used once its reader has cancelled it", () => {
  const queue = filled("a");
  expect(queue.isUsed).toBe(false);
  queue.cancel("enough");
  expect(queue.isUsed).toBe(true);
});

it("ByteQueue.takeInto resolves when its target wants no more, though nothing more comes", async () => {
  const queue = filled("a");
  const taken: number[] = [];
  const target = { add: ({ length }: Uint8Array) => void taken.push(length), isFull: () => true };
  await queue.takeInto(target);
  expect(taken).toEqual([1]);
  expect(queue).toMatchObject({ isLocked: false, isDone: false });
  queue.push(latin1("bc"));
  expect(queue.takeQueued()).toEqual([latin1("bc")]);
});

it("ByteQueue.takeInto resolves when the stream has ended, and passes on nothing when it was empty", async () => {
  for (const text of ["", "abc"]) {
    const queue = queueWith();
    if (text !== "") queue.push(latin1(text));
    queue.end();
    const target = joining();
    await queue.takeInto(target);
    expect(target.bytes()).toEqual(latin1(text));
  }
});

it("ByteQueue.unread keeps the order when pieces before the rest were read", async () => {
  const queue = filled("ab", "cd", "ef", "gh", "ij");
  queue.end();
  await queue.read();
  await queue.read();
  queue.unread(latin1("d"));
  expect(queue.cost).toBe(4 * 256);
  expect(await textFrom(queue)).toBe("defghij");
});

it("ByteQueue.push says whether the piece was copied", async () => {
  const queue = filled();
  const large = new Uint8Array(100);
  expect(queue.push(large)).toBe(false);
  expect(queue.push(large.subarray(0, 10))).toBe(true);
  queue.takeQueued();
  // A reader that waits gets the piece itself.
  const reading = queue.read();
  expect(queue.push(large.subarray(0, 10))).toBe(false);
  expect((await reading).value?.buffer).toBe(large.buffer);
});

it("ByteQueue.stream fails as the queue does", async () => {
  const queue = queueWith({ expectedBytes: 2 });
  queue.push(latin1("a"));
  queue.end();
  expect(await drain(queue.stream)).toMatchObject({ bytes: latin1("a"), error: { code: "lengthMismatch" } });
});

it("ByteQueue.stream cancels the queue when it is cancelled", async () => {
  const reasons: unknown[] = [];
  const queue = queueWith({ onAbandoned: (reason) => reasons.push(reason) });
  queue.push(latin1("a"));
  await queue.stream.cancel("enough");
  expect(reasons).toEqual(["enough"]);
  expect(queue).toMatchObject({ cost: 0, isDone: true });
});
