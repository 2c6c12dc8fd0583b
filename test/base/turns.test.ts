import { expect, it } from "vitest";
import { waitTurns } from "../../src/base/turns.ts";

it("waitTurns waits as many turns as it is told when nothing comes", async () => {
  let asked = 0;
  await waitTurns(5, () => {
    asked++;
    return false;
  });
  expect(asked).toBe(5);
});

it("waitTurns waits no longer when what it waits for has come", async () => {
  let isOver = false;
  let turns = 0;
  void (async () => {
    for (; turns < 3; turns++) await null;
    isOver = true;
  })();
  await waitTurns(1000, () => isOver);
  expect(turns).toBe(3);
});
