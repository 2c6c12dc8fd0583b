import { Deadline } from "../base/deadline.ts";
import type { ByteChannel } from "./byte_channel.ts";
import type { RecordWriter } from "./record_writer.ts";

/**
 * Milliseconds in which the peer can still read what was written. This is longer than any web server waits for a client
 * that reads nothing (lighttpd: 360 s), so the web server has decided by then.
 */
const MAX_FLUSH_TIME = 600_000;

/**
 * Gives up a connection whose writer was closed, and whose peer has not read everything yet. A plain close would cut the rest off, and a peer
 * that reads later could take the cut for the end. So the transport resets the connection. If it can't, as on a Unix socket, the connection
 * stays open until the peer has read the rest, for {@linkcode MAX_FLUSH_TIME} at most.
 */
export function leaveToFlush(channel: ByteChannel, writer: RecordWriter, reason: unknown): void {
  if (channel.reset?.(reason) === true) {
    writer.fail(reason);
    return;
  }
  const close = (): void => {
    deadline.dispose();
    writer.fail(reason);
    channel.close(reason);
  };
  const deadline = new Deadline(close);
  deadline.restart(MAX_FLUSH_TIME);
  void writer.close().then(close);
}
