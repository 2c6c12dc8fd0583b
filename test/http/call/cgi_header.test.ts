import { expect, it } from "vitest";
import { ResponseDecoder } from "../../../src/codec/response_decoder.ts";
import { parseCgiHeader } from "../../../src/http/call/cgi_header.ts";

it.each(["Status: 404 Not Found", "Status: 404 Not Found\n", "Status: 404 Not Found\r\n\r\nX: body"])(
  "parseCgiHeader reads the lines of %j, whether or not the last one has an end",
  (block) => {
    expect(parseCgiHeader(block, new ResponseDecoder().expect(1))).toMatchObject({
      status: 404,
      statusText: "Not Found",
    });
  },
);
