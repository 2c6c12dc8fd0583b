import { app } from "./app.js";

await app.listen(process.env.PORT, process.env.HOST);
