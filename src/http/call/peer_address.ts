// The address of a peer as applications compare it. Runtimes write the same peer in several ways, and a list of allowed or banned
// addresses knows only one.

/** What a dual-stack listener makes of an IPv4 address (RFC 4291 2.5.5.2): 80 zero bits, 16 one bits, and the address. */
const MAPPED = /^(?:::|(?:0{1,4}:){5}|(?:0{1,4}:){1,4}:)ffff:([0-9a-f.:]+)$/i;

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;

/**
 * `address` as REMOTE_ADDR has it (RFC 3875 4.1.8): an IPv4 address in dotted decimal, also where it was written as an IPv6 one,
 * or an IPv6 address without brackets, port or zone. What is no address, such as nginx's `unix:`, stays as it is.
 */
export function plainAddress(address: string): string {
  const host = withoutPort(address);
  const zone = host.indexOf("%");
  const plain = zone > 0 && host.includes(":") ? host.slice(0, zone) : host;
  const mapped = MAPPED.exec(plain)?.[1];
  return (mapped === undefined ? undefined : dottedDecimal(mapped)) ?? plain;
}

/** Without brackets and without what is a port for certain: behind a bracket, or behind an IPv4 address. */
function withoutPort(address: string): string {
  const bracketed = /^\[([^\]]*)\](?::[0-9]+)?$/.exec(address)?.[1];
  if (bracketed !== undefined) return bracketed;
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, Math.max(colon, 0));
  return IPV4.test(host) && /^[0-9]+$/.test(address.slice(colon + 1)) ? host : address;
}

/** The last 32 bits of an IPv6 address as an IPv4 one, or undefined if they are none. */
function dottedDecimal(bits: string): string | undefined {
  if (IPV4.test(bits)) return bits;
  const groups = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(bits);
  if (groups === null) return undefined;
  const [high, low] = [Number.parseInt(groups[1]!, 16), Number.parseInt(groups[2]!, 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}
