// For objects that stand in for a native Request or Response: the native object answers what they do not answer
// themselves.

/** Returns the native object behind an instance, and builds it on first need. A member is used in one of three ways: */
interface NativeObjects<Instance> {
  /** A property is read. */
  forGetter(instance: Instance): object;
  /** A function looks for what a runtime hides in symbols. */
  forSymbol(instance: Instance): object;
  /** A method is called. */
  forMethod(instance: Instance): object;
}

/**
 * Gives `prototype` every other member of `base`, and the symbols in which a runtime hides its state. The native object
 * behind the instance answers them.
 *
 * @param sample A native object, from which the symbols are read.
 */
export function completeWith<Instance extends object>(
  prototype: Instance,
  base: { readonly prototype: object },
  natives: NativeObjects<Instance>,
  sample: object,
): void {
  const getter = (name: string) =>
    function (this: Instance): unknown {
      return Reflect.get(natives.forGetter(this), name);
    };
  const method = (name: string) =>
    function (this: Instance, ...args: unknown[]): unknown {
      const native = natives.forMethod(this);
      return Reflect.apply(Reflect.get(native, name), native, args);
    };
  Object.setPrototypeOf(prototype, base.prototype);
  Object.defineProperty(prototype, "constructor", { value: base, configurable: true, writable: true });
  // In Cloudflare Workers, Request and Response inherit the members of a body from a class between them and Object.
  for (let level = base.prototype; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (Object.hasOwn(prototype, name)) continue;
      const { value } = Object.getOwnPropertyDescriptor(level, name)!;
      const member = typeof value === "function" ? { value: method(name), writable: true } : { get: getter(name) };
      Object.defineProperty(prototype, name, { ...member, configurable: true });
    }
  }
  for (const symbol of Object.getOwnPropertySymbols(sample)) {
    const get = function (this: Instance): unknown {
      return Reflect.get(natives.forSymbol(this), symbol);
    };
    Object.defineProperty(prototype, symbol, { get, configurable: true });
  }
}

/** Replaces the headers in `target` by those in `source`. */
export function copyHeaders(source: Headers, target: Headers): void {
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.append(name, value);
}
