import type { Command } from "../frame/command.ts";

export const completeCommand: Command = {
  name: "complete",
  summary: "prints the script with which bash completes commands and options",
  operands: [{ name: "SHELL", about: "the shell", choices: ["bash"] }],
  options: {},
  exitCodes: [
    [0, "the script was printed"],
    [2, "the arguments are wrong"],
  ],
  examples: [["source <(fetchcgi complete bash)", "a line for ~/.bashrc"]],
  load: () => import("./run.ts"),
};
