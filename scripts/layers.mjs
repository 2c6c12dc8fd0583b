/** The tests of src/: a folder for each layer. They need nothing but the npm packages, and run on every runtime. */
export const layerTests = ["protocol", "codec", "transport", "client", "server", "http"].map((name) => `test/${name}`);
