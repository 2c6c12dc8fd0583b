/** The BroadcastChannel between Stryker's process and the worker in it. */
export const CHANNEL = "fetchcgi-mutation";
