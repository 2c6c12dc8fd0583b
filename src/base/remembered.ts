/** Answers that a rule keeps. */
const MAX_REMEMBERED = 256;

/**
 * `rule`, which is asked about the same texts again and again. Longer ones than `maxLength` are not remembered: a client could fill
 * the memory with them.
 */
export function remembered<Answer extends string | null>(
  maxLength: number,
  rule: (text: string) => Answer,
): (text: string) => Answer {
  const answers = new Map<string, Answer>();
  return (text) => {
    const known = answers.get(text);
    if (known !== undefined) return known;
    const answer = rule(text);
    if (text.length <= maxLength) {
      if (answers.size >= MAX_REMEMBERED) answers.clear();
      // A copy: the text may be a part of all the params there were.
      answers.set([...text].join(""), answer);
    }
    return answer;
  };
}
