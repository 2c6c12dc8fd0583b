import { app } from "./app.js";

await app.listen({ port: process.env.PORT, host: process.env.HOST });
