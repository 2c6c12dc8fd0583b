import { html } from "nitro/h3";
import { page } from "../parts.js";

export default () => html(page);
