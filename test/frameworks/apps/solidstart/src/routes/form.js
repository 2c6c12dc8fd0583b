export { POST } from "../endpoint.js";
