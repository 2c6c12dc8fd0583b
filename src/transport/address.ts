// The ends of a connection, with addresses in the form that applications compare. Runtimes and web servers write the same address in
// several ways, and a list of allowed or banned addresses has only one of them.

import { checkInteger, checkString } from "../base/unexpected.ts";

/** An end of a TCP connection. */
export interface TcpAddress {
  /** A host name, or an address without brackets. */
  readonly hostname: string;
  /** The port, up to 65,535. */
  readonly port: number;
}

/** An end of a TCP connection, or the path of a Unix socket. */
export type ConnectionAddress = TcpAddress | { readonly path: string };

/** Both ends of a connection. */
export interface ConnectionAddresses {
  /** The peer's address, if the transport has addresses. */
  readonly remoteAddress?: ConnectionAddress | undefined;
  /** This side's address, if the transport has addresses. */
  readonly localAddress?: ConnectionAddress | undefined;
}

/**
 * An end of a TCP connection from what a runtime reports; undefined if it reports none.
 *
 * @throws {RangeError | TypeError} If it reports something else.
 */
export function tcpAddress(hostname: string | undefined, port: number | undefined): TcpAddress | undefined {
  const task = "Cannot make an address";
  if (hostname !== undefined) checkString(hostname, task, "hostname");
  if (port !== undefined) checkInteger(port, task, "port", 0, 65_535);
  return hostname === undefined || port === undefined ? undefined : { hostname: plainAddress(hostname), port };
}

/**
 * The form in which a dual-stack listener reports an IPv4 address (RFC 4291 2.5.5.2): 80 zero bits, 16 one bits, and
 * the address.
 */
const MAPPED = /^(?:::|(?:0{1,4}:){5}|(?:0{1,4}:){1,4}:)ffff:([0-9a-f.:]+)$/i;

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;

/**
 * `address` in the form of REMOTE_ADDR (RFC 3875 4.1.8): an IPv4 address in dotted decimal, even if it was written as
 * an IPv6 address; an IPv6 address without brackets, port and zone. A value that is not an address, such as nginx's
 * `unix:`, is returned unchanged.
 */
export function plainAddress(address: string): string {
  if (!address.includes(":")) return address;
  const host = withoutPort(address);
  const zone = host.indexOf("%");
  const plain = zone > 0 && host.includes(":") ? host.slice(0, zone) : host;
  const mapped = MAPPED.exec(plain)?.[1];
  return (mapped === undefined ? undefined : dottedDecimal(mapped)) ?? plain;
}

/** Removes brackets, and a port where it can't be anything else: after a bracket, or after an IPv4 address. */
function withoutPort(address: string): string {
  const bracketed = /^\[([^\]]*)\](?::[0-9]+)?$/.exec(address)?.[1];
  if (bracketed !== undefined) return bracketed;
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, Math.max(colon, 0));
  return IPV4.test(host) && /^[0-9]+$/.test(address.slice(colon + 1)) ? host : address;
}

/** The last 32 bits of an IPv6 address as an IPv4 address; undefined if `bits` has another form. */
function dottedDecimal(bits: string): string | undefined {
  if (IPV4.test(bits)) return bits;
  const groups = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(bits);
  if (groups === null) return undefined;
  const [high, low] = [Number.parseInt(groups[1]!, 16), Number.parseInt(groups[2]!, 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}
