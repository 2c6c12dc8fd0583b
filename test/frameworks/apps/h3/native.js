import { serve } from "h3";
import { app } from "./app.js";

serve(app, { hostname: process.env.HOST, port: Number(process.env.PORT) });
