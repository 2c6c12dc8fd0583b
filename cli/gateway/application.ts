// What answers behind the gateway: an application that runs already, or a PHP of our own.

import { printable } from "../../adapters/shared/print.ts";
import { FastCgiHttpClient, type FastCgiHttpClientOptions } from "../../src/toolkit.ts";
import { connectorFor } from "../address.ts";
import { UsageError } from "../frame/command.ts";
import { untilAborted } from "../frame/signal.ts";
import { requestText } from "./errors.ts";
import { findPhp, installAdvice, isProgram, kindOf, type PhpProgram } from "./php/find.ts";
import { OwnPhp } from "./php/php.ts";
import { workersFor } from "./php/size.ts";
import { phpUserFor } from "./php/user.ts";

/** What the gateway knows of its application. */
export interface Application {
  readonly php: FastCgiHttpClient;
  /** Options for a client of another application, such as an authorizer. */
  readonly clientOptions: FastCgiHttpClientOptions;
  /** What it is, for people. */
  readonly about: string;
  /** Lets it take its changed settings. Resolves with whether it has. */
  reload(): Promise<boolean>;
  /** `limit` ends what still runs. */
  close(limit: Promise<void>): Promise<void>;
}

/** PHP is not there, or does not start. */
export class StartError extends Error {
  override readonly name = "StartError";
}

interface ApplicationOptions {
  readonly timeout: number;
  readonly phpValues: ReadonlyMap<string, string>;
  /** How many requests it works on at once. */
  readonly workers: number | undefined;
  /** Ends the start. */
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** Milliseconds that an application has to take a connection when the gateway looks whether it is there. */
const LOOK_TIMEOUT = 3000;

/** The most characters of a message of PHP. */
const MAX_MESSAGE = 8192;

/**
 * An application that runs already. If it does not, that is told, and requests are answered with 502 until it does. Rejects with the reason
 * of the signal, if that aborts meanwhile.
 */
export async function runningApplication(
  options: ApplicationOptions & { readonly address: string },
): Promise<Application> {
  const { address, workers, signal, say } = options;
  const connector = connectorFor(address);
  const clientOptions = { ...clientOptionsFor(options), ...(workers !== undefined && { maxConnections: workers }) };
  const php = new FastCgiHttpClient(connector, clientOptions);
  try {
    const look = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT)]);
    await (await connector.connect({ signal: look })).close();
  } catch (error) {
    signal.throwIfAborted();
    say(`${(error as Error).message}; requests are answered with 502 until it does`);
  }
  return {
    php,
    clientOptions,
    about: address,
    reload: async () => true,
    close: () => php.close({ timeout: 0 }),
  };
}

interface OwnApplicationOptions extends ApplicationOptions {
  /** The program that the user named. */
  readonly program: string | undefined;
  readonly user: string | undefined;
  readonly folder: string;
  whenIdle(): Promise<void>;
}

/**
 * Starts a PHP of our own. Rejects with the reason of the signal, if that aborts meanwhile.
 *
 * @throws {StartError} If it is not there, or does not start.
 * @throws {UsageError} If the program or the user can't be used.
 */
export async function ownApplication(options: OwnApplicationOptions): Promise<Application> {
  const { phpValues, workers = workersFor(), whenIdle, signal, say } = options;
  const program = programFor(options.program);
  const user = await phpUserFor(options.user, options.folder);
  const own = new OwnPhp({ program, workers, user, values: phpValues, whenIdle, report: say });
  try {
    await untilAborted(own.start(), signal);
  } catch (error) {
    if (signal.aborted) {
      await own.close(Promise.resolve());
      throw signal.reason;
    }
    throw new StartError(`Cannot start ${program.path}: ${(error as Error).message}`, { cause: error });
  }
  const clientOptions = clientOptionsFor(options);
  // Further requests wait here, and not in the queue of the socket.
  const php = new FastCgiHttpClient(own.connector, { ...clientOptions, maxConnections: workers });
  const about = `${program.path} (${workers} workers${user === null ? "" : ` as ${user.name}`})`;
  return {
    php,
    clientOptions,
    about,
    reload: () => own.reload(),
    async close(limit) {
      await php.close({ timeout: 0 });
      await own.close(limit);
    },
  };
}

function programFor(named: string | undefined): PhpProgram {
  if (named === undefined) {
    const found = findPhp();
    if (found !== null) return found;
    throw new StartError(
      `Cannot find php-fpm or php-cgi: ${installAdvice()}, name the program with --php, or an application that runs with --fastcgi`,
    );
  }
  const kind = kindOf(named);
  if (kind === null) throw new UsageError(`Cannot use --php: expected php-fpm or php-cgi, got "${named}"`);
  if (!isProgram(named)) throw new UsageError(`Cannot use --php: "${named}" is no program`);
  return { path: named, kind };
}

function clientOptionsFor({ timeout, phpValues, say }: ApplicationOptions): FastCgiHttpClientOptions {
  return {
    headerTimeout: timeout,
    readTimeout: timeout,
    // A client that reads nothing must not keep a worker of PHP.
    stallTimeout: timeout,
    ...(phpValues.size > 0 && { phpValues: Object.fromEntries(phpValues) }),
    onStderr(message, request) {
      for (const line of message.split("\n")) {
        if (line.trim() !== "") say(`${requestText(request)}: ${printable(line.trimEnd(), MAX_MESSAGE)}`);
      }
    },
  };
}
