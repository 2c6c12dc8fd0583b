// Connects to the socket that the first argument names. Prints "connected", or the error.

import { FastCgiUnixConnector } from "../../../adapters/node/index.ts";

try {
  const connection = await new FastCgiUnixConnector(process.argv[2]!).connect({ signal: new AbortController().signal });
  console.log("connected");
  await connection.close();
} catch (error) {
  console.log((error as Error).message);
}
