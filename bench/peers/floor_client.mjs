// The floor of a client: a bare connection, the header block taken apart, the body checked. floor_client.mjs BACKEND JOB
import { nginxParams } from "./answers.mjs";
import { OutputCheck, WIDTHS } from "./client_jobs.mjs";
import { FloorConnection } from "./floor_connection.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [backend, job] = process.argv.slice(2);
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
    connection.request(nginxParams(), (bytes) => check.push(bytes), end);
  });
}

await rounds((seconds) =>
  concurrently(idle.length, seconds, async () => {
    const connection = idle.pop();
    await exchange(connection);
    idle.push(connection);
  }),
);
