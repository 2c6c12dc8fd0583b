export default {
  output: "standalone",
  outputFileTracingIncludes: { "/*": ["./main.js", "./node_modules/fetchcgi/**/*", "./public/**/*"] },
  // Otherwise the folder of a lock file that is farther up.
  outputFileTracingRoot: import.meta.dirname,
};
