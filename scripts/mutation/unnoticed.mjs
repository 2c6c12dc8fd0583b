/** The states of a change that no test has noticed. */
export const UNNOTICED = new Set(["Survived", "NoCoverage"]);

/** The path of a source file in the project. */
export function pathOf(fileName) {
  return fileName.replaceAll("\\", "/").replace(/^.*?(?=src\/)/, "");
}

/** A reporter of Stryker: prints each change that no test has noticed as soon as that is known, because a run takes long. */
export class UnnoticedReporter {
  onMutantTested({ fileName, location, mutatorName, replacement, status }) {
    if (!UNNOTICED.has(status)) return;
    const place = `${pathOf(fileName)}:${location.start.line}:${location.start.column}`;
    console.log(`${place} ${status} ${mutatorName}: ${replacement.replaceAll(/\s+/g, " ").slice(0, 120)}`);
  }
}
