import { viewOptions } from "../tap/options.ts";

const ownOptions = {
  find: {
    type: "text",
    value: "TEXT",
    about: "shows only the requests in which this text is, in any case of its letters",
  },
} as const;

export const inspectOptions: typeof ownOptions & typeof viewOptions = { ...ownOptions, ...viewOptions };
