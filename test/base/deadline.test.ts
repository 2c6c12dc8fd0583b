import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { Deadline } from "../../src/base/deadline.ts";
import { useFakeTime } from "../support/fake_time.ts";

useFakeTime();

let expired: number[];
let deadline: Deadline;

beforeEach(() => {
  expired = [];
  deadline = new Deadline(() => expired.push(performance.now()));
});

it("Deadline expires once when its delay has passed", () => {
  const start = performance.now();
  deadline.restart(100);
  expect(deadline.isRunning).toBe(true);
  vi.advanceTimersByTime(99);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(expired).toEqual([start + 100]);
  expect(deadline.isRunning).toBe(false);
});

it("Deadline expires later when it is restarted, and uses one timer for that", () => {
  const start = performance.now();
  deadline.restart(100);
  const timers = vi.spyOn(globalThis, "setTimeout");
  // In the same millisecond as well.
  deadline.restart(100);
  for (let turn = 0; turn < 50; turn++) {
    vi.advanceTimersByTime(1);
    deadline.restart(100);
  }
  expect(timers).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1000);
  expect(expired).toEqual([start + 150]);
  expect(timers).toHaveBeenCalledTimes(1);
});

it("Deadline expires earlier when it is restarted with a shorter delay", () => {
  const start = performance.now();
  deadline.restart(1000);
  vi.advanceTimersByTime(10);
  deadline.restart(100);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(5000);
  expect(expired).toEqual([start + 110]);
});

it("Deadline does not expire when it was stopped", () => {
  deadline.restart(100);
  deadline.stop();
  expect(deadline.isRunning).toBe(false);
  vi.advanceTimersByTime(1000);
  expect(expired).toEqual([]);
});

it("Deadline expires by its new delay when it was stopped and started", () => {
  const start = performance.now();
  deadline.restart(100);
  deadline.stop();
  vi.advanceTimersByTime(50);
  deadline.restart(200);
  vi.advanceTimersByTime(1000);
  expect(expired).toEqual([start + 250]);
});

it("Deadline can be started again when it has expired", () => {
  deadline.restart(100);
  vi.advanceTimersByTime(100);
  deadline.restart(100);
  vi.advanceTimersByTime(100);
  expect(expired).toHaveLength(2);
});

it("Deadline never expires when its delay is Infinity", () => {
  deadline.restart(Number.POSITIVE_INFINITY);
  expect(deadline.isRunning).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
  deadline.restart(100);
  deadline.restart(Number.POSITIVE_INFINITY);
  vi.advanceTimersByTime(1000);
  expect(expired).toEqual([]);
});

it("Deadline leaves no timer when it is disposed of", () => {
  deadline.restart(100);
  deadline.dispose();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(expired).toEqual([]);
});

it("Deadline waits its whole delay when that is longer than a timer can wait", () => {
  const start = performance.now();
  const delay = 2 ** 31 + 5000;
  const timers = vi.spyOn(globalThis, "setTimeout");
  deadline.restart(delay);
  expect(timers.mock.lastCall?.[1]).toBe(2 ** 31 - 1);
  vi.advanceTimersByTime(2 ** 31 + 4999);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(expired).toEqual([start + delay]);
});

it("Deadline expires within twice its delay when the clock is set back by hours", () => {
  // In Workers, performance.now() is the wall clock; timers go on.
  const { now } = performance;
  let step = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now.call(performance) + step);
  deadline.restart(100);
  vi.advanceTimersByTime(50);
  step = -7_200_000;
  vi.advanceTimersByTime(149);
  expect(expired).toHaveLength(0);
  vi.advanceTimersByTime(1);
  expect(expired).toHaveLength(1);
  clock.mockRestore();
});

/** Has the process stand still: when the next timer fires, so many milliseconds more have passed. */
function standStill(milliseconds: number): void {
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + milliseconds);
  onTestFinished(() => clock.mockRestore());
}

it("Deadline does not expire when the process stood still and what came in time is read right afterwards", () => {
  deadline.restart(100);
  standStill(5000);
  vi.advanceTimersByTime(129);
  deadline.restart(100);
  vi.advanceTimersByTime(99);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(expired).toHaveLength(1);
});

it("Deadline expires at once when its timer is late by 20 ms, as on a busy machine", () => {
  deadline.restart(100);
  standStill(20);
  vi.advanceTimersByTime(100);
  expect(expired).toHaveLength(1);
});

it("Deadline expires after some turns when the process stood still and nothing came", () => {
  const timers = vi.spyOn(globalThis, "setTimeout");
  deadline.restart(100);
  standStill(5000);
  vi.advanceTimersByTime(129);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(expired).toHaveLength(1);
  expect(timers).toHaveBeenCalledTimes(4);
  expect(vi.getTimerCount()).toBe(0);
});
