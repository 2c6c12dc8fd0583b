import { nodeRuntime } from "../../adapters/node/listen.ts";
import { type Listener, type ListenTarget, listen } from "../../adapters/system/listen.ts";
import type { Connector } from "../../src/toolkit.ts";
import { connectorFor, listenTargetFor, listenText } from "../address.ts";
import { type CommandContext, type CommandInput, EXIT_INTERRUPTED, UsageError } from "../frame/command.ts";
import { flushed, isInTime, Printer } from "../frame/printer.ts";
import { endSoon } from "../frame/process.ts";
import { aborted, endingWith } from "../frame/signal.ts";
import { checkSocketFileOptions, readMode } from "../mode.ts";
import { TraceDecoder } from "../wire/decoder.ts";
import type { Report, RunningRequest } from "../wire/report.ts";
import type { tapOptions } from "./options.ts";
import { Recorder } from "./recorder.ts";
import { Tap } from "./tap.ts";
import type { Ui } from "./ui.ts";
import { viewOf } from "./view.ts";

type Input = CommandInput<typeof tapOptions>;

/** The exit code when the address can't be listened on, or the recording ended early. */
const EXIT_FAILED = 1;
/** Milliseconds after which a request without an end is told of. */
const LONG_TIME = 2000;
/** The most of those that are told of at once. */
const MAX_LONG = 100;
/** Bytes of a body that the page shows, unless --body says otherwise. */
const UI_BODY = 16 * 1024;

export async function run({ options, given }: Input, context: CommandContext): Promise<number> {
  const { printError, signal, stderr } = context;
  const { target, connector } = endsOf(options, given);
  const { lines, wire, text } = viewOf(options, context.stdout, options.ui ? UI_BODY : 0);
  const ending = endingWith(signal);
  // What reads the messages can stand still too.
  const messages = new Printer(stderr, (count) => `fetchcgi: ${count} more messages were not shown`);
  const tell = (text: string): void => messages.print([`fetchcgi: ${text}`]);
  let recorder: Recorder | null = null;
  try {
    if (options.write !== undefined)
      recorder = await Recorder.open(options.write, signal, (error) =>
        tell(`the recording ends here: ${error.message}`),
      );
  } catch (error) {
    if (!signal.aborted) throw error;
    return EXIT_INTERRUPTED;
  }
  const printer = new Printer(
    context.stdout,
    (count) => lines({ event: "skipped", lines: count }).join("\n"),
    // The reader has left, as `head` does.
    () => recorder === null && !options.ui && ending.end(),
  );
  let ui: Ui | null = null;
  const decoder = new TraceDecoder(wire, "both", (report: Report) => {
    printer.print(lines(report));
    ui?.take(report);
  });
  const tap = new Tap({
    connector,
    watch(event) {
      recorder?.take(event);
      decoder.take(event);
    },
    isIdle: (connection) => decoder.isIdle(connection),
    isAnswered: (connection) => decoder.isAnswered(connection),
    onRefused: tell,
  });
  let listener: Listener;
  try {
    if (options.ui) ui = await openUi(options["ui-port"], Date.now() - tap.time);
    listener = await listen(nodeRuntime, target, {
      onConnection: (connection) => void tap.accept(connection),
      onError: (error) => tell((error as Error).message),
    });
    recorder?.begin();
  } catch (error) {
    await ui?.close();
    await recorder?.close();
    printError(`fetchcgi: ${(error as Error).message}`);
    return EXIT_FAILED;
  }
  if (ui !== null) printError(`fetchcgi: open ${ui.url}`);
  printError(`fetchcgi: listening on ${listenText(target, listener.address)}, passing on to ${options.to}`);
  let printed = 0;
  const watched = setInterval(() => {
    const running = longOnes(decoder, tap);
    ui?.showRunning(running.slice(0, MAX_LONG));
    // Each one is printed once.
    const news = running.filter(({ number }) => number > printed).slice(0, MAX_LONG);
    printed = Math.max(printed, ...news.map(({ number }) => number));
    if (text !== null) printer.print(news.map((one) => text.running(one)));
  }, LONG_TIME);
  await aborted(ending.signal);
  // The connections of the backlog are accepted first.
  await listener.stop();
  await tap.close(options.drain);
  clearInterval(watched);
  await ui?.close();
  await finish(recorder, [printer, messages]);
  return recorder?.hasFailed ? EXIT_FAILED : 0;
}

function endsOf(options: Input["options"], given: Input["given"]): { target: ListenTarget; connector: Connector } {
  const { listen: from, to, mode: modeText, "take-over": takeOver } = options;
  if (from === undefined || to === undefined) {
    const missing = from === undefined ? "--listen" : "--to";
    throw new UsageError(`Cannot read the arguments: expected --listen ADDRESS and --to ADDRESS, got no ${missing}`);
  }
  const mode = readMode("--mode", modeText);
  const target = listenTargetFor(from);
  checkSocketFileOptions(given, target, from);
  return { target: target.path === undefined ? target : { ...target, mode, takeOver }, connector: connectorFor(to) };
}

/** The requests that have run for some time, the oldest first. */
function longOnes(decoder: TraceDecoder, tap: Tap): RunningRequest[] {
  return [...decoder.active()]
    .map(({ number, title, began }) => ({ number, title, milliseconds: tap.time - began }))
    .filter(({ milliseconds }) => milliseconds >= LONG_TIME)
    .sort((one, other) => one.number - other.number);
}

/** Listens for the browser. Rejects with what to do about it. */
async function openUi(port: number, began: number): Promise<Ui> {
  const { Ui } = await import("./ui.ts");
  return Ui.open(port, began).catch((error) => {
    throw new Error(`Cannot listen on port ${port} for the page: ${error.message}; --ui-port takes another one`);
  });
}

/** Waits for the disk and for the readers, but not for a reader that has stopped. */
async function finish(recorder: Recorder | null, printers: readonly Printer[]): Promise<void> {
  const isRecorded = recorder === null || (await isClosed(recorder));
  if (!isRecorded) recorder?.giveUp();
  const isPrinted = await flushed(printers);
  // A thread that writes to a stopped reader would keep the process.
  if (!isRecorded || !isPrinted) endSoon();
}

async function isClosed(recorder: Recorder): Promise<boolean> {
  const closed = recorder.close();
  if (recorder.canStop) return isInTime(closed);
  await closed;
  return true;
}
