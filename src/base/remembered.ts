/** The most answers that are kept for a rule. */
const MAX_REMEMBERED = 256;

/**
 * Wraps `rule` so that it remembers its answers: it is asked about the same texts again and again. A text longer than
 * `maxLength` is not remembered, because a client could fill the memory with such texts.
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
      // A copy: `text` may be a slice, which would keep all params of its request in memory.
      answers.set([...text].join(""), answer);
    }
    return answer;
  };
}
