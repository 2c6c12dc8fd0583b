// npm run mutation [-- <files or folders of src/>] [--room] [--ledger]: changes the code in every way that Stryker knows, one change at a
// time, and names the changes that no test notices. Without arguments all of src/, which takes hours.
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import configuration from "../stryker.config.mjs";
import { pathOf, UNNOTICED } from "./mutation/unnoticed.mjs";
import { projectFolder } from "./run.mjs";
import { ensurePackages } from "./setup.mjs";
import { commit, note } from "./tried.mjs";

/**
 * The rooms of src/, and the tests that are to notice a change there: those that are named like the file, such as
 * request_decoder_limits.test.ts for request_decoder.ts, or all if none is or --room is given. Tests of other rooms would notice more,
 * but then a fault is far from the test that fails.
 */
const ROOMS = [
  ["src/base", "test/base"],
  ["src/protocol", "test/protocol"],
  ["src/cgi", "test/cgi"],
  ["src/codec", "test/codec"],
  ["src/transport", "test/transport"],
  ["src/connect", "test/connect"],
  ["src/server", "test/server"],
  ["src/client", "test/client"],
  ["src/http/shared", "test/http/shared"],
  ["src/http/serve", "test/http/serve"],
  ["src/http/call", "test/http/call"],
  ["src/http/php", "test/http/php"],
];

const SENDING = ["test/codec/response_sender", "test/codec/encoder_streams", "test/server/exchange"];

/** Files whose tests have other names. */
const TESTS = {
  "src/codec/active_request.ts": ["test/codec/request_decoder"],
  "src/codec/copying.ts": ["test/codec/byte_queue", "test/codec/record_encoder", "test/http/serve/response_to_cgi"],
  "src/codec/joined_contents.ts": ["test/codec/record_decoder"],
  "src/codec/management.ts": ["test/codec/request_decoder"],
  "src/codec/outgoing_response.ts": SENDING,
  "src/codec/records.ts": ["refusal", "request_sender", "encoder_streams", "record_decoder"].map(
    (name) => `test/codec/${name}`,
  ),
  "src/codec/request_decoder_options.ts": ["test/codec/request_decoder"],
  "src/codec/request_encoder.ts": ["test/codec/encoder_streams"],
  "src/codec/request_watch.ts": [
    "test/codec/request_watch",
    "test/server/request_end",
    "test/codec/request_decoder_watch",
  ],
  "src/codec/response_decoder_options.ts": ["test/codec/response_decoder"],
  "src/codec/response_encoder.ts": ["test/codec/encoder_streams"],
  "src/codec/response_sender.ts": SENDING,
  "src/codec/sending.ts": ["test/codec/encoder_streams"],
  "src/codec/stage_sink.ts": ["test/codec/encoder_streams"],
  "src/codec/streams.ts": ["record_decoder", "request_decoder", "response_decoder", "encoder_streams"].map(
    (name) => `test/codec/${name}`,
  ),
  "src/codec/stream_length.ts": ["test/codec/byte_queue"],
  "src/codec/stream_sender.ts": ["stream_sender", "response_sender", "request_sender", "encoder_streams"].map(
    (name) => `test/codec/${name}`,
  ),
  "src/codec/stream_of.ts": ["stream_of", "byte_queue", "whole_output"].map((name) => `test/codec/${name}`),
  "src/client/pool.ts": ["pool", "retries", "multiplexing", "tenants", "early_ends"].map(
    (name) => `test/client/${name}`,
  ),
  "src/client/exchanges.ts": ["connection", "client", "pool", "retries", "multiplexing", "early_ends"].map(
    (name) => `test/client/${name}`,
  ),
  "src/server/exchanges.ts": ["connection", "exchange", "request_end", "status"].map((name) => `test/server/${name}`),
  "src/http/serve/request_host.ts": ["test/http/serve/request_host", "test/http/serve/params_to_request"],
  "src/http/serve/request_target.ts": ["test/http/serve/request_target", "test/http/serve/params_to_request"],
  "src/http/serve/service.ts": ["test/http/serve/service", "test/http/serve/request_source"],
  "src/http/shared/percent.ts": ["shared/percent", "serve/request_target", "call/request_to_params"].map(
    (name) => `test/http/${name}`,
  ),
  "src/http/shared/plain_fields.ts": ["shared/plain_fields", "serve/fast_response", "call/outgoing_request"].map(
    (name) => `test/http/${name}`,
  ),
  "src/http/shared/sendable_response.ts": ["test/http/shared/sendable_response", "test/http/serve/response_to_cgi"],
  "src/http/call/authorizer.ts": ["test/http/call/authorizer", "test/http/call/request_end"],
  "src/http/call/client.ts": [
    ...["client", "under_way", "internal_redirect", "filter", "request_end", "request_body_spool", "authorizer"],
  ].map((name) => `test/http/call/${name}`),
  "src/http/call/client_options.ts": [
    "test/http/call/outgoing_request",
    "test/project/limits",
    "test/http/call/client",
  ],
  "src/http/call/fetch_watch.ts": ["test/http/call/request_end", "test/http/call/cgi_to_response"],
  "src/cgi/error_document.ts": ["test/codec/refusal"],
  "src/http/call/internal_redirect.ts": ["test/http/call/internal_redirect", "test/http/call/authorizer"],
  "src/http/php/script_path.ts": ["test/http/php/script_path", "test/http/php/php_site"],
  "src/http/call/script.ts": ["test/http/php/script_path", "test/http/call/script"],
  "src/http/call/filter_data.ts": ["test/http/call/filter"],
  "src/http/call/cgi_header.ts": ["test/http/call/cgi_"],
  "src/http/call/cgi_body.ts": ["test/http/call/cgi_to_response", "test/http/call/streamed_response"],
  "src/http/call/cgi_to_response.ts": ["test/http/call/cgi_to_response", "test/http/call/streamed_response"],
};

/** The least share of the changes of a file that tests must notice, those aside that a comment explains. */
const LEAST = 0.9;

const NOTICED = new Set(["Killed", "Timeout"]);

const usesRooms = process.argv.includes("--room");

/** The source files that `given` names: a file, or a folder with all in it. */
function filesOf(given) {
  const path = given.replace(/\/$/, "");
  const full = join(projectFolder, path);
  if (!existsSync(full)) throw new Error(`Cannot find ${JSON.stringify(given)} in the project`);
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${path}/${name}`);
}

/** The tests of a file: the starts of their paths. */
function testsOf(file, folder) {
  if (usesRooms) return [`${folder}/`];
  if (TESTS[file] !== undefined) return TESTS[file];
  const name = basename(file, ".ts");
  const isNamed = readdirSync(join(projectFolder, folder)).some((test) => test.startsWith(name));
  return [`${folder}/${isNamed ? name : ""}`];
}

/** The files by the tests that are to notice their changes. */
function byTests(files) {
  const groups = new Map();
  for (const file of files) {
    const room = ROOMS.find(([folder]) => file.startsWith(`${folder}/`));
    if (room === undefined) continue;
    const tests = testsOf(file, room[1]).join(" ");
    groups.set(tests, [...(groups.get(tests) ?? []), file]);
  }
  return groups;
}

/** Tries all changes of some files, and counts them for each file. */
async function tryChanges(tests, files) {
  const { Stryker } = await import("@stryker-mutator/core");
  process.env.MUTATION_TESTS = tests;
  const results = await new Stryker({ ...configuration, mutate: files }).runMutationTest();
  const counts = {};
  for (const { fileName, status } of results) {
    const file = pathOf(fileName);
    counts[file] ??= { noticed: 0, unnoticed: 0, explained: 0 };
    const count = counts[file];
    if (NOTICED.has(status)) count.noticed++;
    else if (status === "Ignored") count.explained++;
    else if (UNNOTICED.has(status)) count.unnoticed++;
  }
  return counts;
}

try {
  const given = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const files = (given.length > 0 ? given : ROOMS.map(([folder]) => folder)).flatMap(filesOf);
  await ensurePackages();
  const tried = commit();
  const all = {};
  for (const [tests, some] of byTests(files)) Object.assign(all, await tryChanges(tests, some));
  let below = 0;
  for (const [file, { noticed, unnoticed, explained }] of Object.entries(all)) {
    const share = noticed / (noticed + unnoticed || 1);
    if (unnoticed > 0 && share < LEAST) below++;
    const more = explained > 0 ? `, ${explained} explained` : "";
    console.log(`${file}: ${noticed} of ${noticed + unnoticed} changes noticed${more}`);
  }
  if (process.argv.includes("--ledger")) note("mutation", { files: all }, tried);
  if (below > 0) console.error(`${below} files are below ${LEAST * 100} %`);
  process.exitCode = below > 0 ? 1 : 0;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
