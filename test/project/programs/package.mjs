// Runs in an empty project that has the package, on any runtime: the core, and the entries that are the arguments.
import { ask, askOverStreams, fetch } from "./over_streams.mjs";

async function askOverTcp(entry) {
  const { FastCgiHttpClient, FastCgiTcpConnector, serve } = await import(`fetchcgi/${entry}`);
  const { address, close } = await serve({ port: 0, fetch });
  const answer = await ask(new FastCgiHttpClient(new FastCgiTcpConnector(address)));
  await close();
  return answer;
}

const answers = { core: await askOverStreams() };
for (const entry of process.argv.slice(2)) answers[entry] = await askOverTcp(entry);
console.log(JSON.stringify(answers));
