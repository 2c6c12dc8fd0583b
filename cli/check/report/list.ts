import type { Output } from "../../frame/command.ts";
import { styled } from "../../frame/style.ts";
import { findingText } from "./print.ts";
import type { Finding } from "./rule.ts";

const STYLES = { kept: "green", broken: "red", "not told": "yellow", "not applicable": "yellow" } as const;

/** Prints findings below the names of their groups. */
export class FindingList {
  readonly #output: Output;
  readonly #print: (text: string) => void;
  readonly #isVerbose: boolean;
  #group = "";

  constructor(output: Output, print: (text: string) => void, isVerbose: boolean) {
    this.#output = output;
    this.#print = print;
    this.#isVerbose = isVerbose;
  }

  print(found: Finding): void {
    const { group, verdict, isAdvice } = found;
    if (group !== this.#group) this.#print(`\n${group}`);
    this.#group = group;
    const text = findingText(found, { isVerbose: this.#isVerbose });
    const style = verdict === "broken" && isAdvice ? "yellow" : STYLES[verdict];
    this.#print(styled(this.#output, style, text.slice(0, verdict.length)) + text.slice(verdict.length));
  }
}
