import { encodeRequestHead, Role } from "fetchcgi/toolkit";
import { nginxParams } from "./peers/answers.mjs";

/** A GET of a path with the params of nginx. */
export function encodedGet(path: string): Uint8Array {
  const params = Object.entries({ ...nginxParams(), REQUEST_URI: path, DOCUMENT_URI: path, SCRIPT_NAME: path });
  return encodeRequestHead({ requestId: 1, role: Role.Responder, keepConn: true, params, endsStdin: true });
}
