import { COMMON_OPTIONS, type Command, type Operand, type OptionSpec, type Output } from "./command.ts";
import { styled } from "./style.ts";

/** Lines are no longer than this, on wider terminals as well. */
const MAX_COLUMNS = 100;

/** The help for one command. */
export function commandHelp(command: Command, output: Output): string {
  const { name, summary, about = [], operands = [], options, exitCodes, examples } = command;
  const table = { ...options, ...COMMON_OPTIONS };
  const usage = ["fetchcgi", name, ...operands.map(nameOfOperand), "[options]"].join(" ");
  const heading = (text: string): string => styled(output, "bold", text);
  const parts = [
    paragraph(`fetchcgi ${name}: ${summary}`, output).replace(`fetchcgi ${name}`, heading),
    `${heading("Usage:")} ${usage}`,
    ...about.map((text) => paragraph(text, output)),
    operands.length > 0 &&
      listText(
        operands.map((operand) => [operand.name, aboutOperand(operand)]),
        output,
      ),
    `${heading("Options")}\n${listText(
      Object.entries(table).map(([key, spec]) => [nameOfOption(key, spec), aboutOption(spec)]),
      output,
    )}`,
    `${heading("Exit codes")}\n${listText(
      exitCodes.map(([code, meaning]) => [String(code), meaning]),
      output,
    )}`,
    `${heading("Examples")}\n${examples.map(([line, text]) => `  ${line}\n      ${text}`).join("\n")}`,
  ];
  return parts.filter((part) => part !== false).join("\n\n");
}

/** The help for the program, or for the commands whose names begin with a word. */
export function overviewHelp(commands: readonly Command[], output: Output): string {
  const heading = (text: string): string => styled(output, "bold", text);
  return [
    `${heading("fetchcgi")}: FastCGI at the command line`,
    `${heading("Usage:")} fetchcgi COMMAND [arguments]`,
    `${heading("Commands")}\n${listText(
      commands.map(({ name, summary }) => [name, summary]),
      output,
    )}`,
    paragraph(
      "`fetchcgi COMMAND --help` says more about each, with examples and exit codes; `fetchcgi --version` prints the version.",
      output,
    ),
  ].join("\n\n");
}

/** An argument as the help and messages show it. */
export function nameOfOperand({ name, isOptional }: Operand): string {
  return isOptional ? `[${name}]` : name;
}

function nameOfOption(key: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? "" : `-${spec.short}, `;
  return `${short}--${key}${spec.type === "flag" ? "" : ` ${spec.value}`}`;
}

function aboutOperand({ about, choices }: Operand): string {
  return choices === undefined ? about : `${about} (one of ${choices.join(", ")})`;
}

/** What an option is about, with its default, and the options that it goes with. */
function aboutOption(spec: OptionSpec): string {
  const facts = [
    "choices" in spec && spec.choices !== undefined && `one of ${spec.choices.join(", ")}`,
    spec.type === "texts" && "can be repeated",
    "default" in spec && spec.default !== undefined && `${spec.default} by default`,
    "max" in spec && spec.max !== undefined && `${spec.max} at most`,
    spec.needs !== undefined && `only with --${spec.needs}`,
    spec.excludes !== undefined && `not with ${spec.excludes.map((name) => `--${name}`).join(", ")}`,
  ].filter((fact) => fact !== false);
  return facts.length === 0 ? spec.about : `${spec.about} (${facts.join("; ")})`;
}

/** Two columns. */
function listText(rows: readonly (readonly [name: string, about: string])[], output: Output): string {
  const left = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows
    .map(([name, about]) => {
      const lines = wrap(about, Math.max(30, widthOf(output) - left - 2));
      return `  ${name.padEnd(left)}${lines.join(`\n  ${" ".repeat(left)}`)}`;
    })
    .join("\n");
}

function widthOf({ columns }: Output): number {
  return Math.min(columns, MAX_COLUMNS);
}

/** A text in lines of the output. */
function paragraph(text: string, output: Output): string {
  return wrap(text, widthOf(output)).join("\n");
}

/** Breaks a text into lines between its words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
