import { Deadline } from "../base/deadline.ts";
import type { ByteChannel } from "./byte_channel.ts";
import type { RecordWriter } from "./record_writer.ts";

/**
 * Milliseconds in which a peer may still read what was written. Longer than any web server waits for a client that takes nothing
 * (lighttpd: 360 s), so that it has decided by then.
 */
const MAX_FLUSH_TIME = 600_000;

/**
 * Leaves a connection whose writer was closed, and whose peer has not read everything yet: a plain close would cut that short, and a peer
 * that reads on later may take the cut for the end. The transport resets the connection if it can. If not, as on a Unix socket, what was
 * written waits for the peer by itself.
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
