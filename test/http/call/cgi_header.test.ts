import { expect, it } from "vitest";
import { IncomingResponse } from "../../../src/codec/incoming_response.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../../src/codec/response_decoder.ts";
import { parseCgiHeader } from "../../../src/http/call/cgi_header.ts";

it.each(["Status: 404 Not Found", "Status: 404 Not Found\n", "Status: 404 Not Found\r\n\r\nX: body"])(
  "parseCgiHeader reads the lines of %j, whether or not the last one has an end",
  (block) => {
    const response = new IncomingResponse(1, { ...RESPONSE_DECODER_DEFAULTS });
    expect(parseCgiHeader(block, response)).toMatchObject({ status: 404, statusText: "Not Found" });
  },
);
