// What a command is: data, from which the help, the reading of its arguments and their completion are made. What it does is a module
// of its own, which is loaded only when the command runs.

/**
 * One option of a command. A flag is given or not. A text is one value: the last one counts. Texts are a value that can be repeated. A
 * number is whole, from `min` on, which is 1 unless it is 0, to `max`, which has nine digits unless it is given.
 */
export type OptionSpec = OptionBase &
  (
    | { readonly type: "flag" }
    | (OptionValue & { readonly type: "text"; readonly default?: string })
    | (OptionValue & { readonly type: "texts" })
    | {
        readonly type: "number";
        readonly value: string;
        readonly default?: number;
        readonly min?: 0;
        readonly max?: number;
      }
  );

interface OptionBase {
  /** The letter of its short form. */
  readonly short?: string;
  /** What it does. With `excludes` it begins with a verb, because messages put "which" before it. */
  readonly about: string;
  /** The option without which it has no effect. */
  readonly needs?: string;
  /** Options that have no effect beside it. */
  readonly excludes?: readonly string[];
}

interface OptionValue {
  /** What stands for the value in the help. */
  readonly value: string;
  /** All values that it can have. */
  readonly choices?: readonly string[];
}

/** The options of a command by their names, without the dashes. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** The values of options, by their names. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends { type: "flag" }
    ? boolean
    : Table[Name] extends { type: "texts" }
      ? readonly Text<Table[Name]>[]
      : Table[Name] extends { type: "number" }
        ? Optional<number, Table[Name]>
        : Optional<Text<Table[Name]>, Table[Name]>;
};

/** One of the choices, if there are some. */
type Text<Spec> = Spec extends { choices: readonly (infer Choice)[] } ? Choice : string;

type Optional<Value, Spec> = Spec extends { default: Value } ? Value : Value | undefined;

/** An argument that is no option. */
export interface Operand {
  readonly name: string;
  readonly about: string;
  readonly isOptional?: true;
  /** All values that it can have. */
  readonly choices?: readonly string[];
}

/** What the user wrote behind the name of a command. */
export interface CommandInput<Table extends OptionTable = OptionTable> {
  readonly options: OptionValues<Table>;
  /** The names of the options that the user wrote: the others have their defaults. */
  readonly given: ReadonlySet<string>;
  /** As many as the command has operands, or fewer if some are optional. */
  readonly operands: readonly string[];
}

/** What a command does. */
export interface CommandModule {
  /** Resolves with the exit code. `all` are the commands of the program. An exception is printed, and ends with {@linkcode EXIT_USAGE}. */
  run(input: CommandInput, context: CommandContext, all: readonly Command[]): Promise<number>;
}

/** A command. */
export interface Command {
  /** One or two words. */
  readonly name: string;
  /** What it does: half a sentence, without its name. */
  readonly summary: string;
  /** What else to know before using it: paragraphs. */
  readonly about?: readonly string[];
  readonly operands?: readonly Operand[];
  readonly options: OptionTable;
  /** What each exit code means. */
  readonly exitCodes: readonly (readonly [code: number, meaning: string])[];
  /** Lines that can be copied, and what each does. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  load(): Promise<CommandModule>;
}

/** The exit code when the arguments are wrong, or the command can't do its work. */
export const EXIT_USAGE = 2;

/** The exit code after Ctrl+C or SIGTERM, of a command that has no result then. */
export const EXIT_INTERRUPTED = 130;

/** The options that every command has. */
export const COMMON_OPTIONS: OptionTable = {
  help: { type: "flag", short: "h", about: "prints this help" },
  version: { type: "flag", short: "V", about: "prints the version" },
};

/** A place where a command prints. */
export interface Output {
  /** Whether a person reads it. */
  readonly isTerminal: boolean;
  /** Whether it shows colours: a terminal does, unless NO_COLOR is set; and any output if FORCE_COLOR is set. */
  readonly hasColor: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
  /** The descriptor behind it, for a command that must go on whatever the reader does: `write` may hold up the process on a terminal. */
  readonly descriptor?: number;
  /** Writes a text, or bytes. Resolves when there is room for more; rejects when the reader has left. */
  write(data: string | Uint8Array): Promise<void>;
}

/** The parts of the process that a command uses. */
export interface CommandContext {
  /** The result of the command, and nothing else. */
  readonly stdout: Output;
  /** All that is no result: errors, progress, log lines. */
  readonly stderr: Output;
  /** The bytes of standard input, as they are read. */
  stdin(): AsyncIterable<Uint8Array>;
  /** Aborts when the user asks the command to end: Ctrl+C, SIGTERM. A command that does not read it is ended by them at once. */
  readonly signal: AbortSignal;
  /** Prints lines of the result. */
  print(text: string): void;
  /** Prints lines that are no result. */
  printError(text: string): void;
}

/** A wrong use of the command, with what to do about it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
