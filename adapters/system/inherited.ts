import { fstatSync } from "node:fs";
import type { SystemError } from "../shared/connect.ts";
import { cannotListen } from "./listen_error.ts";

/** The first descriptor that systemd passes on; SD_LISTEN_FDS_START of sd_listen_fds(3). */
const FIRST_OF_SYSTEMD = 3;

/**
 * The descriptor of the listening socket that this process was started with: the one of systemd (sd_listen_fds(3)),
 * else 0 (FastCGI 2.2).
 *
 * @throws {TypeError} If there is none, or more than one.
 */
export function inheritedDescriptor(
  environment: (name: string) => string | undefined,
  pid: number | undefined,
): number {
  const count = Number(environment("LISTEN_FDS") ?? 0);
  // Child processes inherit the variables too, though the sockets are not for them.
  const meant = environment("LISTEN_PID");
  if (count > 0 && meant === String(pid)) {
    if (count === 1) return FIRST_OF_SYSTEMD;
    const last = FIRST_OF_SYSTEMD + count - 1;
    throw new TypeError(
      `Cannot serve: ${count} sockets were inherited; give fd, one of ${FIRST_OF_SYSTEMD} to ${last}`,
    );
  }
  if (isSocket(0)) return 0;
  throw new TypeError(
    count > 0 && meant !== undefined
      ? `Cannot serve: LISTEN_PID is ${meant} and this process is ${pid}; start it without another program in between`
      : "Cannot serve: expected one of path, port and fd, and no socket was inherited",
  );
}

/**
 * @throws {ListenError} If this process has no such descriptor: runtimes say that it is of a wrong kind, or listen nowhere.
 */
export function checkDescriptor(fd: number): void {
  try {
    fstatSync(fd);
  } catch (error) {
    throw cannotListen(`descriptor ${fd}`, error as SystemError);
  }
}

/** Whether a descriptor of this process is a socket. */
export function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
