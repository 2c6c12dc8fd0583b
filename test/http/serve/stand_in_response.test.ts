// The class that does the work of the runtime's Response where nothing leads to that one.

import { describe, expect, it } from "vitest";
import { StandInResponse } from "../../../src/http/serve/stand_in_response.ts";
import { isBun } from "../../support/runtime.ts";

const TYPED = { headers: { "content-type": "a/b" } };

describe("StandInResponse", () => {
  it.each([
    [200, true],
    [201, true],
    [299, true],
    [300, false],
    [404, false],
    [599, false],
  ])("StandInResponse has the status %i", (status, isOk) => {
    const response = new StandInResponse(null, { status, statusText: "Words" });
    expect([response.status, response.ok, response.statusText]).toEqual([status, isOk, "Words"]);
  });

  it("StandInResponse is of status 200, without words, fields, a body and a URL unless it is told otherwise", () => {
    for (const response of [new StandInResponse(), new StandInResponse(null, null as never)]) {
      const { status, statusText, ok, type, url, redirected, body, bodyUsed } = response;
      expect([status, statusText, ok, type, url, redirected, body, bodyUsed]).toEqual([
        ...[200, "", true, "default", "", false, null, false],
      ]);
      expect([...response.headers]).toEqual([]);
    }
  });

  it.each<[what: string, make: () => unknown, error: Error]>([
    [
      "a status below 200",
      () => new StandInResponse(null, { status: 199 }),
      new RangeError("Cannot make a Response: expected a status from 200 to 599, got 199"),
    ],
    [
      "a status above 599",
      () => new StandInResponse(null, { status: 600 }),
      new RangeError("Cannot make a Response: expected a status from 200 to 599, got 600"),
    ],
    [
      "words that end a line",
      () => new StandInResponse(null, { statusText: "a\nb" }),
      new TypeError('Cannot make a Response: "a\\nb" is no reason phrase'),
    ],
    [
      "a body of a status that has none",
      () => new StandInResponse("", { status: 204 }),
      new TypeError("Cannot make a Response: status 204 has no body"),
    ],
    [
      "an init that is no object",
      () => new StandInResponse(null, 5 as never),
      new TypeError("Cannot use init: expected an object, got 5"),
    ],
    ["data", () => StandInResponse.json({}), new TypeError("Cannot make a Response: its data is not JSON")],
    [
      "a redirect with another status",
      () => StandInResponse.redirect("http://a.test/", 304),
      new RangeError("Cannot redirect: expected one of 301, 302, 303, 307, 308, got 304"),
    ],
  ])("StandInResponse refuses %s", (_, make, error) => {
    expect(make).toThrow(error);
  });

  it.each([204, 205, 304])("StandInResponse takes the status %i without a body", (status) => {
    const response = new StandInResponse(null, { status });
    expect([response.status, response.body]).toEqual([status, null]);
  });

  it("StandInResponse.redirect leads to the URL, with each status that redirects", () => {
    const redirect = StandInResponse.redirect("http://a.test/b c");
    expect([redirect.status, redirect.headers.get("location")]).toEqual([302, "http://a.test/b%20c"]);
    for (const status of [301, 302, 303, 307, 308]) {
      expect(StandInResponse.redirect("http://a.test/", status).status).toBe(status);
    }
  });

  it("StandInResponse.error is of status 0, and so is its clone", () => {
    for (const error of [StandInResponse.error(), StandInResponse.error().clone()]) {
      expect([error.type, error.status, error.ok, error.body]).toEqual(["error", 0, false, null]);
    }
  });

  it("StandInResponse counts each Response as an instance, and nothing else", () => {
    expect(new Response()).toBeInstanceOf(StandInResponse);
    expect(new StandInResponse()).toBeInstanceOf(StandInResponse);
    for (const other of [{}, null, new Request("http://a.test/"), "[object Response]"]) {
      expect(other).not.toBeInstanceOf(StandInResponse);
    }
    expect(StandInResponse.name).toBe("Response");
  });

  it("StandInResponse reads its body in each way, once", async () => {
    const bytes = new Uint8Array([91, 50, 93]);
    const made = (): Response => new StandInResponse(bytes, TYPED);
    expect(await made().text()).toBe("[2]");
    expect(await made().json()).toEqual([2]);
    expect(await made().bytes()).toEqual(bytes);
    expect(new Uint8Array(await made().arrayBuffer())).toEqual(bytes);
    expect(await (await made().blob()).text()).toBe("[2]");
    expect(await new Response(made().body).text()).toBe("[2]");
    const response = made();
    expect(response.bodyUsed).toBe(false);
    await response.text();
    expect(response.bodyUsed).toBe(true);
    await expect(response.text()).rejects.toThrow(TypeError);
  });

  it("StandInResponse has the type of its body unless the headers have one, and reads by the present type", async () => {
    const form = "a=1";
    const search = new StandInResponse(new URLSearchParams(form));
    expect(search.headers.get("content-type")).toBe("application/x-www-form-urlencoded;charset=UTF-8");
    const typed = new StandInResponse(new URLSearchParams(form), TYPED);
    expect(typed.headers.get("content-type")).toBe("a/b");
    // On Bun the type of a body stays that of what it was made of.
    if (!isBun) expect((await typed.clone().blob()).type).toBe("a/b");
    typed.headers.set("content-type", "application/x-www-form-urlencoded");
    expect([...(await typed.formData())]).toEqual([["a", "1"]]);
    search.headers.delete("content-type");
    if (!isBun) await expect(search.formData()).rejects.toThrow(TypeError);
  });

  it("StandInResponse clones into one with a body and headers of its own", async () => {
    const response = new StandInResponse("text", { status: 404, statusText: "Words", headers: { "x-a": "1" } });
    const clone = response.clone();
    response.headers.set("x-a", "2");
    expect([clone.status, clone.statusText, clone.headers.get("x-a"), clone.type]).toEqual([
      ...[404, "Words", "1", "default"],
    ]);
    expect([await clone.text(), await response.text()]).toEqual(["text", "text"]);
  });
});
