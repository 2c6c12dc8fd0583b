import { expect, it } from "vitest";
import { bodyName, checkStatus, lengthToSend, unreadBodyOf } from "../../../src/http/shared/sendable_response.ts";

/** As of a class other than the runtime's, which takes any status. */
const response = (status: number, statusText?: string): Response => ({ status, statusText }) as Response;

it.each([200, 299, 404, 599])("checkStatus takes %i, with words or without", (status) => {
  expect(() => checkStatus(response(status))).not.toThrow();
  expect(() => checkStatus(response(status, ""))).not.toThrow();
  expect(() => checkStatus(response(status, "Très bien"))).not.toThrow();
});

it.each([0, 101, 199, 600, 200.5, "200", Number.NaN])("checkStatus refuses the status %j", (status) => {
  const message = `Cannot send the response: its status is ${status}`;
  expect(() => checkStatus(response(status as number))).toThrow(new TypeError(message));
});

it.each(["a\r\nX: b", "a\0", "€"])("checkStatus refuses %j as statusText", (statusText) => {
  const message = `Cannot send the response: its statusText is ${JSON.stringify(statusText)}`;
  expect(() => checkStatus(response(200, statusText))).toThrow(new TypeError(message));
});

it("unreadBodyOf gives a body that nothing has read, and refuses any other", async () => {
  const unread = new Response("text");
  expect(unreadBodyOf(unread)).toBe(unread.body);
  expect(unreadBodyOf(new Response(null))).toBeNull();
  const locked = new Response("text");
  locked.body!.getReader();
  const read = new Response("text");
  await read.text();
  for (const touched of [locked, read]) {
    expect(() => unreadBodyOf(touched)).toThrow(new TypeError("Cannot send the response: its body was read already"));
  }
});

it.each([
  ["5", 200, 5],
  [null, 200, null],
  ["five", 200, null],
  ["5", 204, null],
  ["5", 205, null],
  ["5", 304, 5],
])("lengthToSend of Content-Length %j with status %i is %j", (length, status, expected) => {
  expect(lengthToSend(length, status)).toBe(expected);
});

it("bodyName says why a body that fetch() decoded is not as long as its header says", () => {
  expect(bodyName(new Headers())).toBe("the response body");
  expect(bodyName(new Headers({ "content-encoding": "br" }))).toMatch(/^the response body \(br; fetch\(\) decodes/);
});
