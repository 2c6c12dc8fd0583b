export { GET } from "../endpoint.js";
