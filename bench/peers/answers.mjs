// What every peer answers, and what the clients among them send: the same bytes for all.

/** The answer to `/`. */
export const HELLO = "Hello, world!\n";

/** Bytes of the large bodies, both ways. */
export const LARGE = 1024 * 1024;

/** The size of the pieces of `/stream`. */
export const STREAM_CHUNK = 64 * 1024;

/** Pieces of `/chunks`, and the size of each. */
export const CHUNKS = 10_000;
export const CHUNK = 100;

/** Large bodies are a to z again and again, so that their receiver can check them at any place. */
export function alphabet(length, start = 0) {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = 97 + ((start + index) % 26);
  return bytes;
}

/** Whether bytes at an offset of a large body are the right ones. Looks at every byte, as cheaply as it can be done here. */
export function isAlphabet(bytes, offset) {
  const start = offset % 26;
  const { length } = bytes;
  for (let at = 0; at < length; at += PATTERN_LENGTH) {
    const end = Math.min(length, at + PATTERN_LENGTH);
    const from = (start + at) % 26;
    if (Buffer.compare(bytes.subarray(at, end), PATTERN.subarray(from, from + end - at)) !== 0) return false;
  }
  return true;
}
const PATTERN_LENGTH = 262_144;
const PATTERN = alphabet(PATTERN_LENGTH + 26);

/** A stream that gives a piece of the bytes each time it is asked. */
export function pieces(bytes, size) {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(offset, offset + size));
      offset += size;
      if (offset >= bytes.length) controller.close();
    },
  });
}

/** What a browser says of itself. */
export const BROWSER_HEADERS = {
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "accept-encoding": "gzip, deflate, br",
  "accept-language": "en-US,en;q=0.9",
};

/** The 25 variables that nginx sends for a GET, with those of its fastcgi.conf; 27 with a body. */
export function nginxParams(bodyLength = 0) {
  const hasBody = bodyLength > 0;
  const type = hasBody ? "application/octet-stream" : "";
  const length = hasBody ? String(bodyLength) : "";
  return {
    SCRIPT_FILENAME: "/var/www/html/",
    QUERY_STRING: "",
    REQUEST_METHOD: hasBody ? "POST" : "GET",
    CONTENT_TYPE: type,
    CONTENT_LENGTH: length,
    SCRIPT_NAME: "/",
    REQUEST_URI: "/",
    DOCUMENT_URI: "/",
    DOCUMENT_ROOT: "/var/www/html",
    SERVER_PROTOCOL: "HTTP/1.1",
    REQUEST_SCHEME: "http",
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: "nginx/1.22.1",
    REMOTE_ADDR: "127.0.0.1",
    REMOTE_PORT: "51234",
    SERVER_ADDR: "127.0.0.1",
    SERVER_PORT: "8080",
    SERVER_NAME: "localhost",
    REDIRECT_STATUS: "200",
    HTTP_HOST: "localhost:8080",
    HTTP_USER_AGENT: BROWSER_HEADERS["user-agent"],
    HTTP_ACCEPT: BROWSER_HEADERS.accept,
    HTTP_ACCEPT_ENCODING: BROWSER_HEADERS["accept-encoding"],
    HTTP_ACCEPT_LANGUAGE: BROWSER_HEADERS["accept-language"],
    HTTP_CONNECTION: "keep-alive",
    ...(hasBody && { HTTP_CONTENT_TYPE: type, HTTP_CONTENT_LENGTH: length }),
  };
}
