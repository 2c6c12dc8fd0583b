// The same app for its own server and over FastCGI.
const folder = process.argv.includes("standard") ? "dist" : "native";

export default { serverDir: ".", output: { dir: folder } };
