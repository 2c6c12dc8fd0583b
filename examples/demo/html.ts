/** Markup that is safe to send: made by {@linkcode html}, so everything in it that came from outside is escaped. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

/** A template tag. What is put into the template is text and gets escaped, unless it is Html already. */
export function html(strings: TemplateStringsArray, ...values: (string | number | Html | Html[])[]): Html {
  const pieces = values.map((value) => {
    if (Array.isArray(value)) return value.map(({ markup }) => markup).join("");
    return value instanceof Html ? value.markup : escapeHtml(String(value));
  });
  return new Html(String.raw({ raw: strings }, ...pieces));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
