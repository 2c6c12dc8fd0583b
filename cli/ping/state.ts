// What an application can be found as.

/** The states, with their exit codes. 2 is for wrong arguments everywhere, and Docker reserves it. */
export const STATE_CODES = { up: 0, down: 1, saturated: 3, wrong: 4 } as const;

export type State = keyof typeof STATE_CODES;

/** What a ping found. */
export interface PingResult {
  readonly state: State;
  /** What was seen, and what it means or what to do about it. */
  readonly message: string;
  /** The CGI status of the answer, if there was one. */
  readonly status?: number;
  /** The numbers of php-fpm's status page. */
  readonly pool?: PoolNumbers;
}

/** Numbers of a status page by their names there, such as "listen queue". */
export type PoolNumbers = Readonly<Record<string, number>>;
