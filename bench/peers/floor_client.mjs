// The floor of a client: a bare connection, the header block taken apart, the body checked. floor_client.mjs BACKEND JOB
import { nginxParams } from "./answers.mjs";
import { bodyOf, OutputCheck, WIDTHS } from "./client_jobs.mjs";
import { FloorConnection } from "./floor_connection.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [backend, job] = process.argv.slice(2);
const body = bodyOf(job);
const params = nginxParams(body?.length);
const idle = Array.from({ length: WIDTHS[job] }, () => new FloorConnection(backend));

function exchange(connection) {
  return new Promise((resolve, reject) => {
    const check = new OutputCheck(job);
    const end = () => {
      try {
        check.end();
        resolve();
      } catch (error) {
        reject(error);
      }
    };
    connection.request(params, (bytes) => check.push(bytes), end, body);
  });
}

await rounds((seconds) =>
  concurrently(idle.length, seconds, async () => {
    const connection = idle.pop();
    await exchange(connection);
    idle.push(connection);
  }),
);
