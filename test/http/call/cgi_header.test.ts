import { expect, it } from "vitest";
import { ResponseDecoder } from "../../../src/codec/response_decoder.ts";
import { type CgiHeader, parseCgiHeader } from "../../../src/http/call/cgi_header.ts";
import { latin1 } from "../../support/bytes.ts";
import { caught } from "../../support/decoders.ts";

/** The head in a block of these lines. `stderr` is what the application wrote to stderr. */
function headOf(lines: readonly string[], stderr = ""): CgiHeader {
  const response = new ResponseDecoder().expect(1);
  if (stderr !== "") response.pushStderr(latin1(stderr));
  return parseCgiHeader(`${lines.join("\n")}\n\n`, response);
}

it.each(["Status: 404 Not Found", "Status: 404 Not Found\n", "Status: 404 Not Found\r\n\r\nX: body"])(
  "parseCgiHeader reads the lines of %j, whether or not the last one has an end",
  (block) => {
    expect(parseCgiHeader(block, new ResponseDecoder().expect(1))).toMatchObject({
      status: 404,
      statusText: "Not Found",
    });
  },
);

it.each([
  ["age", "first"],
  ["content-disposition", "first"],
  ["content-location", "first"],
  ["content-range", "first"],
  ["date", "first"],
  ["etag", "first"],
  ["expires", "first"],
  ["last-modified", "first"],
  ["location", "first"],
  ["retry-after", "first"],
  ["server", "first"],
  ["x-accel-redirect", "first"],
  ["x-sendfile", "first"],
  ["content-length", "last"],
  ["content-type", "last"],
])("parseCgiHeader takes of several %s fields the %s, in the place of the first", (name, which) => {
  const { fields } = headOf([`${name}: 1`, "X-Between: x", `${name}: 2`]);
  expect(fields).toEqual([
    [name, which === "first" ? "1" : "2"],
    ["x-between", "x"],
  ]);
});

it("parseCgiHeader keeps all values of any other field", () => {
  const fields = [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ];
  expect(headOf(["Set-Cookie: a=1", "Set-Cookie: b=2"]).fields).toEqual(fields);
});

it("parseCgiHeader says that an application asks for a file by X-Accel-Redirect or X-Sendfile", () => {
  expect(headOf(["X-Accel-Redirect: /a"]).asksForFile).toBe(true);
  expect(headOf(["X-Sendfile: /a"]).asksForFile).toBe(true);
  expect(headOf(["X-Other: /a"]).asksForFile).toBe(false);
});

it.each(["Content-Type", "Location", "Status"])("parseCgiHeader ignores a %s without a value", (name) => {
  expect(headOf([`${name}:`, "X: y"])).toMatchObject({ status: 200, statusText: "OK", fields: [["x", "y"]] });
  expect(headOf(["X: y", `${name}: \t`, "Location: /a"]).fields).toEqual([
    ["x", "y"],
    ["location", "/a"],
  ]);
  // It is no field that makes a local redirect one for the client.
  expect(headOf([`${name}:`, "Location: /a"]).localRedirect).toBe("/a");
});

it("parseCgiHeader takes a redirect for one of the client beside a status line, too", () => {
  expect(headOf(["Location: /a"]).localRedirect).toBe("/a");
  expect(headOf(["HTTP/1.1 302 Found", "Location: /a"]).localRedirect).toBeNull();
  expect(headOf(["HTTP/1.1 302 Found", "Location: /a"])).toMatchObject({ status: 302, fields: [["location", "/a"]] });
});

it("parseCgiHeader takes a status line only where it is all of the first line", () => {
  expect(headOf(["Via: HTTP/1.1 404 Not Found"])).toMatchObject({
    status: 200,
    fields: [["via", "HTTP/1.1 404 Not Found"]],
    isAmbiguous: false,
  });
  expect(headOf([])).toMatchObject({ status: 200, statusText: "OK", fields: [] });
});

it("parseCgiHeader says that a status is ambiguous where there are two different numbers", () => {
  expect(headOf(["Status: 200 OK", "Status: 200 Fine"]).isAmbiguous).toBe(false);
  expect(headOf(["Status: 200 OK", "X-A: 403", "X-B: 404"]).isAmbiguous).toBe(false);
  expect(headOf(["Status: 200 OK", "Status: 403 No"])).toMatchObject({ isAmbiguous: true, status: 200 });
  expect(headOf(["HTTP/1.0 403 No", "Status: 200 OK"]).isAmbiguous).toBe(true);
  expect(headOf(["HTTP/1.0 200 OK", "Status: 200 OK"]).isAmbiguous).toBe(false);
});

it("parseCgiHeader gives an authorizer's variables by the names that it wrote, and refuses two values of one", () => {
  const { variables, fields } = headOf(["Variable-AUTH_User: alice", "variable-x: 1", "VARIABLE-x: 1"]);
  expect([...variables]).toEqual([
    ["AUTH_User", "alice"],
    ["x", "1"],
  ]);
  expect(fields.map(([name]) => name)).toEqual(["variable-auth_user", "variable-x", "variable-x"]);
  expect(headOf(["X: y"]).variables.size).toBe(0);
  expect(caught(() => headOf(["Variable-A: 1", "Variable-A: 2"]))).toMatchObject({
    code: "malformedResponse",
    message: "Cannot read the response: it has two of the variable A",
  });
});

it.each([
  ["no colon", 'the header line "no colon" has no name'],
  [": x", 'the header line ": x" has no name'],
  ["a b: x", 'the header line "a b: x" has no name'],
  [`${"x".repeat(201)}`, `the header line "${"x".repeat(200)}…" has no name`],
  [`${"x".repeat(200)}`, `the header line "${"x".repeat(200)}" has no name`],
  ["X-A: a\0b", "the header x-a holds a control byte"],
  ["Status: 99", 'its status is "99"'],
  ["Status: 099 Low", 'its status is "099 Low"'],
  ["Status: OK", 'its status is "OK"'],
  ["Status: 200OK", 'its status is "200OK"'],
  ["Status: 2000", 'its status is "2000"'],
  ["HTTP/1.1 200 OK\rX: y", 'the header line "HTTP/1.1 200 OK\\rX: y" has no name'],
])("parseCgiHeader refuses %j", (line, reason) => {
  const error = caught(() => headOf([line]));
  expect(error).toMatchObject({ code: "malformedResponse", requestId: 1, stderr: "" });
  expect(error.message).toBe(`Cannot read the response: ${reason}`);
});

it("parseCgiHeader says in its error what the application wrote to stderr", () => {
  expect(caught(() => headOf(["oops"], "PHP Fatal error\n"))).toMatchObject({
    message: 'Cannot read the response: the header line "oops" has no name; it wrote to stderr: "PHP Fatal error\\n"',
    stderr: "PHP Fatal error\n",
  });
});

it.each([
  ["Status: 100", 100, ""],
  ["Status: 599 Odd", 599, "Odd"],
  ["Status: 600 None", 500, "None"],
  ["Status: 404\tNot Found", 404, "Not Found"],
  ["Status: 200 \t OK \t", 200, "OK"],
  ["Status: 200 a\x7fb", 200, ""],
  ["HTTP/1.1 404 Not Found", 404, "Not Found"],
  ["HTTP/2 404 ", 404, ""],
])("parseCgiHeader reads the status of %j", (line, status, statusText) => {
  expect(headOf([line])).toMatchObject({ status, statusText });
});

it("parseCgiHeader drops fields of the connection and a Content-Length that is no number", () => {
  expect(headOf(["Connection: close", "Content-Length: ten", "X: y"])).toMatchObject({
    fields: [["x", "y"]],
    length: null,
  });
  expect(headOf(["Content-Length: 10"])).toMatchObject({ fields: [["content-length", "10"]], length: 10 });
});
