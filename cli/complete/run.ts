import { COMMON_OPTIONS, type Command, type CommandContext, type CommandInput } from "../frame/command.ts";

/** Prints the script. Everything that it offers is written into it, so a press of the Tab key starts no process. */
export async function run(_: CommandInput, { print }: CommandContext, all: readonly Command[]): Promise<number> {
  print(bashScript(all));
  return 0;
}

function bashScript(commands: readonly Command[]): string {
  const first = new Set(commands.map(({ name }) => name.split(" ")[0]!));
  const groups = groupsOf(commands);
  return `_fetchcgi() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}" words=""
  if ((COMP_CWORD > 1)) && [[ " ${[...groups.keys()].join(" ")} " == *" $command "* ]]; then
    command+=" \${COMP_WORDS[2]}"
  fi
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${[...first].join(" ")} --help --version" -- "$word"))
    return
  fi
  if ((COMP_CWORD == 2)); then
    case "$command" in
${[...groups].map(([word, second]) => `      "${word} "*) words="${second.join(" ")}" ;;`).join("\n")}
    esac
  fi
  case "$command $before" in
${commands.flatMap(choicesOf).join("\n")}
  esac
  case "$command" in
${commands.map(optionsOf).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _fetchcgi fetchcgi`;
}

/** The second words of the commands that have two, by the first. */
function groupsOf(commands: readonly Command[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { name } of commands) {
    const [first = "", second] = name.split(" ");
    if (second !== undefined) groups.set(first, [...(groups.get(first) ?? []), second]);
  }
  return groups;
}

/** The values of options and operands that can have only some. */
function choicesOf({ name, options, operands = [] }: Command): string[] {
  const last = name.split(" ").at(-1)!;
  return [
    ...operands.flatMap(({ choices }) => (choices === undefined ? [] : [[last, choices] as const])),
    ...Object.entries(options).flatMap(([key, spec]) =>
      "choices" in spec && spec.choices !== undefined ? [[`--${key}`, spec.choices] as const] : [],
    ),
  ].map(([before, choices]) => `    "${name} ${before}") words="${choices.join(" ")}" ;;`);
}

function optionsOf({ name, options }: Command): string {
  const keys = Object.keys({ ...options, ...COMMON_OPTIONS }).map((key) => `--${key}`);
  return `    "${name}") [[ $word == -* ]] && words="${keys.join(" ")}" ;;`;
}
