/** The version of the package. A test compares the two. */
export const VERSION = "0.1.0";
