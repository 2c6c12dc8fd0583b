import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  decodeNameValuePairs,
  encodeNameValuePairs,
  encodeRecords,
  type FastCgiRecord,
  RecordDecoder,
  RecordType,
} from "../../src/toolkit.ts";
import { joined } from "./bytes.ts";

/** What an application does with a request whose params have come: on a real socket, with any bytes. */
export type BackendHandler = (request: BackendRequest) => void | Promise<void>;

/** A request as it arrives, and the connection to answer it on. */
export interface BackendRequest {
  id: number;
  uri: string;
  /** Settles with the whole of FCGI_STDIN; never, if that does not come. */
  stdin: Promise<Uint8Array>;
  connection: BackendConnection;
}

/** The application's end of a TCP connection. */
export class BackendConnection {
  /** Bytes that the socket has taken. */
  sent = 0;
  /** The client's. */
  readonly port: number;
  readonly closed: Promise<unknown>;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.remotePort!;
    this.closed = new Promise((resolve) => socket.on("close", resolve));
  }

  /** Resolves to whether the socket has taken the bytes. */
  send(...pieces: Uint8Array[]): Promise<boolean> {
    const bytes = joined(...pieces);
    if (this.#socket.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#socket.write(bytes, (error) => {
        this.sent += error ? 0 : bytes.length;
        resolve(!error);
      });
    });
  }

  /** Sends nothing more, and reads on. */
  end(): void {
    this.#socket.end();
  }

  /** Leaves what the client sends in the buffers of the system. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Drops the connection with a TCP reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** A FastCGI application on a TCP port of its own, that knows nothing of good manners but to read its requests. */
export class TcpBackend {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param onConnect Called with each connection, before its first request. */
  static async start(
    handler: BackendHandler,
    onConnect?: (connection: BackendConnection) => void,
  ): Promise<TcpBackend> {
    const server = createServer({ allowHalfOpen: true });
    const backend = new TcpBackend(server);
    server.on("connection", (socket) => {
      backend.#sockets.add(socket);
      socket.on("close", () => backend.#sockets.delete(socket));
      // A reset is one more way to close.
      socket.on("error", () => {});
      socket.on("end", () => socket.end());
      const connection = new BackendConnection(socket);
      onConnect?.(connection);
      serve(socket, connection, handler);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A request that is being read. */
interface Arriving {
  params: Uint8Array[];
  stdin: Uint8Array[];
  finish(bytes: Uint8Array): void;
}

/** Reads requests. What the handler throws fails the test run as an unhandled rejection. */
function serve(socket: Socket, connection: BackendConnection, handler: BackendHandler): void {
  const decoder = new RecordDecoder();
  const requests = new Map<number, Arriving>();
  const take = ({ type, requestId: id, contentData }: FastCgiRecord): void => {
    const isEnd = contentData.length === 0;
    const request = requests.get(id);
    if (type === RecordType.GetValues) {
      const values = encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]]);
      void connection.send(encodeRecords([{ type: RecordType.GetValuesResult, requestId: 0, contentData: values }]));
    } else if (type === RecordType.BeginRequest) {
      requests.set(id, { params: [], stdin: [], finish: () => {} });
    } else if (type === RecordType.Params && request !== undefined) {
      if (!isEnd) return void request.params.push(contentData);
      const uri = new Map(decodeNameValuePairs(joined(...request.params))).get("REQUEST_URI")!;
      const stdin = new Promise<Uint8Array>((resolve) => {
        request.finish = resolve;
      });
      void handler({ id, uri, stdin, connection });
    } else if (type === RecordType.Stdin && request !== undefined) {
      if (!isEnd) return void request.stdin.push(contentData);
      requests.delete(id);
      request.finish(joined(...request.stdin));
    }
  };
  socket.on("data", (chunk: Buffer) => decoder.transform(new Uint8Array(chunk), { enqueue: take }));
}
