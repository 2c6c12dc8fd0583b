/** What an address is, for the help, which is printed without loading the connectors of address.ts. */
export const ADDRESS = "127.0.0.1:9000, unix:/run/app.sock, or the path of a socket";
