import { viewOptions } from "../tap/options.ts";

const ownOptions = {
  find: {
    type: "text",
    value: "TEXT",
    about: "shows only the requests that contain this text, whatever the case of its letters",
  },
} as const;

export const inspectOptions: typeof ownOptions & typeof viewOptions = { ...ownOptions, ...viewOptions };
