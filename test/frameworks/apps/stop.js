// How the programs stop over FastCGI.

/** At SIGTERM: ends the program when the server has answered what it has begun, and the work that goes on after it is done. */
export function closeAtSigterm(server) {
  process.once("SIGTERM", async () => {
    await server.close();
    process.exit();
  });
}
