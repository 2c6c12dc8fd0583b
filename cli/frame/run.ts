import { commands } from "../commands.ts";
import { VERSION } from "../version.ts";
import { type Command, type CommandContext, EXIT_USAGE, UsageError } from "./command.ts";
import { commandHelp, overviewHelp } from "./help.ts";
import { nearest } from "./nearest.ts";
import { readInput } from "./read.ts";

/** Runs the command in the arguments after the program's name. Resolves with the exit code. */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  try {
    return await run(args, context);
  } catch (error) {
    // The reader of the output has left, as `head` does. It wants to hear no more.
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return 0;
    context.printError(`fetchcgi: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT_USAGE;
  }
}

async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const [first = "", second = ""] = args;
  if (first === "--version" || first === "-V") {
    context.print(VERSION);
    return 0;
  }
  const command = find(first, second);
  if (command === undefined) return printOverview(args, context);
  const input = readInput(command, args.slice(command.name.split(" ").length));
  if (input === "help" || input === "version") {
    context.print(input === "help" ? commandHelp(command, context.stdout) : VERSION);
    return 0;
  }
  const { run: runModule } = await command.load();
  return runModule(input, context, commands);
}

function find(first: string, second: string): Command | undefined {
  return commands.find(({ name }) => name === first || name === `${first} ${second}`);
}

/** `fetchcgi`, `fetchcgi --help`, `fetchcgi help ping`, `fetchcgi check`, and what is no command. */
function printOverview(args: readonly string[], context: CommandContext): number {
  const { print, stdout } = context;
  const words = args.filter((word) => !word.startsWith("-"));
  const wanted = words[0] === "help" ? words.slice(1) : words;
  const isAsked = words[0] === "help" || args.includes("--help") || args.includes("-h");
  const command = find(wanted[0] ?? "", wanted[1] ?? "");
  if (isAsked && command !== undefined) {
    print(commandHelp(command, stdout));
    return 0;
  }
  const group = commands.filter(({ name }) => name.startsWith(`${wanted[0]} `));
  if (isAsked && (wanted.length === 0 || group.length > 0)) {
    print(overviewHelp(group.length > 0 ? group : commands, stdout));
    return 0;
  }
  if (wanted.length === 1 && group.length > 0) {
    context.printError(overviewHelp(group, context.stderr));
    return EXIT_USAGE;
  }
  const option = wanted.length === 0 ? args.find((word) => /^-./.test(word)) : undefined;
  if (option !== undefined)
    throw new UsageError(
      `Cannot use ${option}: it is no option of fetchcgi itself, which has --help and --version; options of a command come after its name`,
    );
  throw new UsageError(unknownCommand(wanted, group));
}

function unknownCommand(words: readonly string[], group: readonly Command[]): string {
  const known = (group.length > 0 ? group : commands).map(({ name }) => name);
  if (words.length === 0) return `Cannot run: expected a command, one of ${known.join(", ")}; --help says more`;
  const typed = words.slice(0, group.length > 0 ? 2 : 1).join(" ");
  const close = nearest(typed, [...known, ...known.map((name) => name.split(" ")[0]!)]);
  const advice = close === undefined ? "`fetchcgi --help` lists all" : `did you mean \`fetchcgi ${close}\`?`;
  return `Cannot run "${typed}": expected one of ${known.join(", ")}; ${advice}`;
}
