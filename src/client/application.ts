// One application: the pool of its connections, and what is known about it. Most clients lead to one. A connector with
// `keyOf` leads to several, and each has a pool of its own, so that no connection serves a request for another
// application.

import { parseLength } from "../cgi/params.ts";
import type { Connector } from "../connect/connector.ts";
import { dial } from "../connect/dial.ts";
import { FCGI_MAX_REQS, FCGI_MPXS_CONNS, MAX_REQUEST_ID } from "../protocol/constants.ts";
import { ClientConnection, type ClientConnectionOwner } from "./connection.ts";
import type { ResolvedClientOptions } from "./options.ts";
import { Pool } from "./pool.ts";

/**
 * Milliseconds after which an application that has not answered FCGI_GET_VALUES counts as one that does not multiplex.
 */
const PROBE_TIMEOUT = 2_000;

/** An application, and the requests for it. */
export class Application {
  readonly #connector: Connector;
  readonly #options: ResolvedClientOptions;
  /** Its connections, and the requests that wait for one. */
  readonly pool: Pool;
  /** The number of requests that a connection takes, by the address that it leads to. Each address is asked once. */
  readonly #capacities = new Map<string, Promise<number>>();

  /**
   * @param key The connector's key of the application; undefined if it leads to one application.
   * @param onUnused Called when there is no connection and no request left.
   */
  constructor(connector: Connector, key: string | undefined, options: ResolvedClientOptions, onUnused: () => void) {
    this.#connector = key === undefined ? connector : { connect: ({ signal }) => connector.connect({ signal, key }) };
    this.#options = options;
    this.pool = new Pool((controller) => this.#connect(controller), options, onUnused);
  }

  /** Opens a connection that does not belong to the pool. */
  async open(controller: AbortController, owner: ClientConnectionOwner): Promise<ClientConnection> {
    return new ClientConnection(await dial(this.#connector, this.#options, controller), this.#options, owner);
  }

  async #connect(controller: AbortController): Promise<ClientConnection> {
    const owner: ClientConnectionOwner = {
      onFree: (connection) => this.pool.onFree(connection),
      onClose: (connection) => this.pool.onClose(connection),
      onCantMultiplex: (connection) => this.#stopSharing(addressOf(connection)),
    };
    const connection = await this.open(controller, owner);
    if (!this.#options.multiplexing) return connection;
    const address = addressOf(connection);
    let capacity = this.#capacities.get(address);
    if (capacity === undefined) {
      capacity = this.#probe(connection);
      this.#capacities.set(address, capacity);
    }
    const found = await capacity;
    // Some applications close the connection after their answer, or without one.
    const usable = connection.isClosed ? await this.open(controller, owner) : connection;
    if (found > 1) usable.exchanges.share(found);
    return usable;
  }

  /** Stops sharing connections to this address, existing and new ones. */
  #stopSharing(address: string): void {
    this.#capacities.set(address, Promise.resolve(1));
    for (const connection of this.pool.connections) {
      if (addressOf(connection) === address) connection.exchanges.stopSharing();
    }
  }

  /** Asks how many requests a connection to this application takes. */
  async #probe(connection: ClientConnection): Promise<number> {
    try {
      const values = await connection.getValues([FCGI_MAX_REQS, FCGI_MPXS_CONNS], PROBE_TIMEOUT);
      if (values.get(FCGI_MPXS_CONNS) !== "1") return 1;
      const maxRequests = parseLength(values.get(FCGI_MAX_REQS)) || MAX_REQUEST_ID;
      return Math.min(this.#options.maxConcurrentRequests, maxRequests, MAX_REQUEST_ID);
    } catch (error) {
      connection.close(error);
      return 1;
    }
  }
}

function addressOf({ transport }: ClientConnection): string {
  return JSON.stringify(transport.remoteAddress ?? null);
}
